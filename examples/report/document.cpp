#include "examples/report/document.h"

#include <fmt/format.h>

#include <algorithm>

#include "examples/report/text.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace tapegrad::report {
namespace {

// "Table 1. What it shows", or only "Table 1" without words.
std::string numbered(const char* kind, int number, const std::string& caption) {
  return fmt::format("{} {}{}{}", kind, number, caption.empty() ? "" : ". ", caption);
}

std::vector<bool> numeric_columns(const Table& table) {
  std::vector<bool> numeric(table.columns.size());
  for (std::size_t i = 0; i < numeric.size(); ++i) {
    const auto text = [i](const Row& row) -> const std::string& { return row[i].text; };
    numeric[i] = std::any_of(table.rows.begin(), table.rows.end(),
                             [&](const Row& row) { return is_numeric(text(row)); }) &&
                 std::all_of(table.rows.begin(), table.rows.end(), [&](const Row& row) {
                   return is_numeric(text(row)) || text(row).empty() || text(row) == "–";
                 });
  }
  return numeric;
}

}  // namespace

const char* sign(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return "✓";
    case Verdict::bad:
      return "✗";
    case Verdict::warn:
      return "!";
    case Verdict::neutral:
      return "–";
    case Verdict::none:
      break;
  }
  return "";
}

Document& Document::heading(int level, std::string text) {
  if (level < 1 || level > 3) {
    throw OptionError(fmt::format("heading '{}': level {} is not in 1 .. 3", text, level));
  }
  const auto n = std::count_if(elements_.begin(), elements_.end(), [](const Element& element) {
    return std::holds_alternative<Heading>(element);
  });
  elements_.push_back(Heading{level, std::move(text), fmt::format("section-{}", n + 1)});
  return *this;
}

Document& Document::paragraph(std::string text) {
  elements_.push_back(Paragraph{std::move(text)});
  return *this;
}

Document& Document::list(std::vector<std::string> items) {
  elements_.push_back(List{std::move(items)});
  return *this;
}

Document& Document::code(std::string text) {
  elements_.push_back(Code{std::move(text)});
  return *this;
}

Document& Document::table(std::vector<std::string> columns, std::vector<Row> rows,
                          std::string caption) {
  for (const Row& row : rows) {
    if (row.size() == columns.size()) continue;
    throw ShapeError(fmt::format("table '{}': a row of {} cells, but there are {} columns", caption,
                                 row.size(), columns.size()));
  }
  Table table{std::move(columns), std::move(rows), numbered("Table", ++tables_, caption), {}};
  table.numeric = numeric_columns(table);
  elements_.push_back(std::move(table));
  return *this;
}

Document& Document::picture(Picture picture, const std::string& caption) {
  elements_.push_back(Figure{std::move(picture), numbered("Figure", ++figures_, caption)});
  return *this;
}

Document& Document::summary(std::vector<KeyFigure> figures) {
  elements_.push_back(Summary{std::move(figures)});
  return *this;
}

void Document::write(const std::filesystem::path& stem) const {
  write_file(stem.string() + ".html", html());
  write_file(stem.string() + ".md", markdown(stem.parent_path()));
}

}  // namespace tapegrad::report
