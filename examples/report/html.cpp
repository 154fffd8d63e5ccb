#include <fmt/format.h>

#include <cstddef>
#include <span>

#include "examples/report/document.h"
#include "examples/report/style.h"
#include "examples/report/text.h"
#include "tensor/file.h"

namespace tapegrad::report {
namespace {

constexpr std::size_t long_table = 25;  // rows; longer ones scroll under their header

const char* name(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return "good";
    case Verdict::bad:
      return "bad";
    case Verdict::warn:
      return "warn";
    case Verdict::neutral:
      return "neutral";
    case Verdict::none:
      break;
  }
  return "";
}

std::string with_sign(const std::string& text, Verdict verdict) {
  if (verdict == Verdict::none) return html_escaped(text);
  return fmt::format("<span class=\"sign\">{}</span>&nbsp;{}", sign(verdict), html_escaped(text));
}

// The width of a PNG, from its first chunk.
unsigned width_of(std::span<const std::byte> png) {
  unsigned width = 0;
  for (std::size_t i = 16; i < 20 && i < png.size(); ++i) {
    width = width << 8U | std::to_integer<unsigned>(png[i]);
  }
  return width;
}

// The SVG, which is sharp at any size, unless it is much the larger or shows photographs. A PNG has
// two dots per unit.
std::string image(const Picture& picture) {
  const std::vector<std::byte> png = read_file(picture.file(".png"));
  const std::vector<std::byte> svg = read_file(picture.file(".svg"));
  const bool use_png = picture.pixels || svg.size() > 3 * png.size();
  return fmt::format("<img src=\"data:image/{};base64,{}\" width=\"{}\" alt=\"{}\">",
                     use_png ? "png" : "svg+xml", base64(use_png ? png : svg), width_of(png) / 2,
                     html_escaped(picture.alternative()));
}

struct Writer {
  std::string operator()(const Heading& h) const {
    return fmt::format("<h{0} id=\"{1}\">{2}</h{0}>\n", h.level + 1, h.anchor,
                       html_escaped(h.text));
  }

  std::string operator()(const Paragraph& p) const {
    return fmt::format("<p>{}</p>\n", html_escaped(p.text));
  }

  std::string operator()(const List& list) const {
    std::string out = "<ul>\n";
    for (const auto& item : list.items) out += fmt::format("<li>{}</li>\n", html_escaped(item));
    return out + "</ul>\n";
  }

  std::string operator()(const Code& code) const {
    return fmt::format("<pre tabindex=\"0\"><code>{}</code></pre>\n", html_escaped(code.text));
  }

  // The scrolling region can be reached by keyboard and has a name.
  std::string operator()(const Table& table) const {
    const std::string caption = html_escaped(table.caption);
    std::string out = fmt::format(
        "<div class=\"table{}\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table>\n"
        "<caption>{}</caption>\n<thead><tr>",
        table.rows.size() > long_table ? " long" : "", caption, caption);
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      out += fmt::format("<th scope=\"col\"{}>{}</th>", table.numeric[i] ? " class=\"number\"" : "",
                         html_escaped(table.columns[i]));
    }
    out += "</tr></thead>\n<tbody>\n";
    for (const Row& row : table.rows) out += line(row, table.numeric);
    return out + "</tbody>\n</table>\n</div>\n";
  }

  std::string operator()(const Figure& figure) const {
    return fmt::format("<figure>\n{}\n<figcaption>{}</figcaption>\n</figure>\n",
                       image(figure.picture), html_escaped(figure.caption));
  }

  std::string operator()(const Summary& summary) const {
    std::string out = "<dl class=\"summary\">\n";
    for (const KeyFigure& figure : summary.figures) {
      out += fmt::format("<div class=\"{}\"><dt>{}</dt><dd class=\"value\">{}</dd>",
                         name(figure.verdict), html_escaped(figure.label),
                         with_sign(figure.value, figure.verdict));
      if (!figure.note.empty()) out += fmt::format("<dd>{}</dd>", html_escaped(figure.note));
      out += "</div>\n";
    }
    return out + "</dl>\n";
  }

 private:
  // A first column of words names its row.
  static std::string line(const Row& row, const std::vector<bool>& numeric) {
    std::string out = "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool names_row = i == 0 && !numeric[0] && row.size() > 1;
      out += fmt::format("<{0}{1}>{2}</{3}>", names_row ? "th scope=\"row\"" : "td",
                         class_of(row[i].verdict, numeric[i]),
                         with_sign(row[i].text, row[i].verdict), names_row ? "th" : "td");
    }
    return out + "</tr>\n";
  }

  static std::string class_of(Verdict verdict, bool numeric) {
    if (verdict == Verdict::none) return numeric ? " class=\"number\"" : "";
    return fmt::format(" class=\"{}{}\"", numeric ? "number " : "", name(verdict));
  }
};

std::string contents(const std::vector<Element>& elements) {
  std::string out;
  for (const Element& element : elements) {
    const auto* heading = std::get_if<Heading>(&element);
    if (heading == nullptr || heading->level > 2) continue;
    out += fmt::format("<li class=\"level{}\"><a href=\"#{}\">{}</a></li>\n", heading->level,
                       heading->anchor, html_escaped(heading->text));
  }
  if (out.empty()) return "";
  return "<nav aria-label=\"Contents\">\n<ul>\n" + out + "</ul>\n</nav>\n";
}

}  // namespace

std::string Document::html() const {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<header><h1>{0}</h1></header>\n{2}"
      "<main>\n",
      html_escaped(title_), style, contents(elements_));
  for (const Element& element : elements_) out += std::visit(Writer{}, element);
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace tapegrad::report
