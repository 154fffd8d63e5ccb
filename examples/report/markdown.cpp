#include <fmt/format.h>

#include "examples/report/document.h"
#include "examples/report/text.h"

namespace tapegrad::report {
namespace {

namespace fs = std::filesystem;

std::string with_sign(const std::string& text, Verdict verdict) {
  return fmt::format("{}{}{}", sign(verdict), *sign(verdict) == '\0' || text.empty() ? "" : " ",
                     markdown_escaped(text));
}

// More backquotes than the text has in a row.
std::string fence_of(const std::string& text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  return fence;
}

class Writer {
 public:
  explicit Writer(const fs::path& folder) : folder_(folder) {}

  std::string operator()(const Heading& h) const {
    return fmt::format("{} {}\n", std::string(static_cast<std::size_t>(h.level) + 1, '#'),
                       markdown_escaped(h.text));
  }

  std::string operator()(const Paragraph& p) const { return markdown_escaped(p.text) + '\n'; }

  std::string operator()(const List& list) const {
    std::string out;
    for (const auto& item : list.items) out += fmt::format("* {}\n", markdown_escaped(item));
    return out;
  }

  std::string operator()(const Code& code) const {
    const std::string fence = fence_of(code.text);
    const bool ended = code.text.ends_with('\n');
    return fmt::format("{}text\n{}{}{}\n", fence, code.text, ended ? "" : "\n", fence);
  }

  std::string operator()(const Table& table) const {
    std::string out = fmt::format("{}\n\n|", markdown_escaped(table.caption));
    for (const auto& column : table.columns) out += fmt::format(" {} |", markdown_escaped(column));
    out += "\n|";
    for (const bool numeric : table.numeric) out += numeric ? "--:|" : ":--|";
    out += '\n';
    for (const Row& row : table.rows) {
      out += '|';
      for (const Cell& cell : row) out += fmt::format(" {} |", with_sign(cell.text, cell.verdict));
      out += '\n';
    }
    return out;
  }

  std::string operator()(const Figure& figure) const {
    const fs::path png = figure.picture.file(".png");
    return fmt::format("![{}]({})\n\n{}\n", markdown_escaped(figure.picture.alternative()),
                       url_escaped(png.lexically_proximate(folder_).generic_string()),
                       markdown_escaped(figure.caption));
  }

  std::string operator()(const Summary& summary) const {
    std::string out;
    for (const KeyFigure& figure : summary.figures) {
      out += fmt::format("* {}: **{}**{}{}\n", markdown_escaped(figure.label),
                         with_sign(figure.value, figure.verdict), figure.note.empty() ? "" : ", ",
                         markdown_escaped(figure.note));
    }
    return out;
  }

 private:
  fs::path folder_;
};

}  // namespace

std::string Document::markdown(const fs::path& folder) const {
  std::string out = fmt::format("# {}\n", markdown_escaped(title_));
  const Writer writer(folder);
  for (const Element& element : elements_) {
    out += '\n';
    out += std::visit(writer, element);
  }
  return out;
}

}  // namespace tapegrad::report
