// Reports as documents: headings, text, tables and pictures, written as HTML and as Markdown.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "examples/report/picture.h"

namespace tapegrad::report {

/// How a result is to be taken; shown by a sign and a colour.
enum class Verdict { none, good, bad, warn, neutral };

/// "✓", "✗", "!", "–" or "".
const char* sign(Verdict verdict);

/// A table's cell. A row may mix cells and plain text: {"train", {".599", Verdict::good}}.
struct Cell {
  Cell(const char* words) : text(words) {}             // NOLINT: rows of plain text
  Cell(std::string words) : text(std::move(words)) {}  // NOLINT: rows of plain text
  Cell(std::string words, Verdict result) : text(std::move(words)), verdict(result) {}

  std::string text;
  Verdict verdict = Verdict::none;
};

using Row = std::vector<Cell>;

/// A number to see first: "test accuracy", "51.9 %", "expected .51 to .53".
struct KeyFigure {
  std::string label;
  std::string value;
  std::string note = {};
  Verdict verdict = Verdict::none;
};

struct Heading {
  int level;  // 1 to 3, below the document's title
  std::string text;
  std::string anchor;  // unique in the document
};
struct Paragraph {
  std::string text;
};
struct List {
  std::vector<std::string> items;
};
struct Code {
  std::string text;
};
struct Table {
  std::vector<std::string> columns;
  std::vector<Row> rows;
  std::string caption;
  std::vector<bool> numeric;  // per column: right-aligned
};
struct Figure {
  Picture picture;
  std::string caption;
};
struct Summary {
  std::vector<KeyFigure> figures;
};
using Element = std::variant<Heading, Paragraph, List, Code, Table, Figure, Summary>;

/// A document in the making; its parts appear in the order in which they are added. All text is
/// plain: what it says is what a reader sees.
class Document {
 public:
  explicit Document(std::string title) : title_(std::move(title)) {}

  /// A section's heading. Level 1 to 3; anything else throws OptionError.
  Document& heading(int level, std::string text);

  Document& paragraph(std::string text);
  Document& list(std::vector<std::string> items);

  /// Lines as they are, in letters of equal width.
  Document& code(std::string text);

  /// A table with its caption, numbered "Table 1" and so on. A column whose cells are all numbers,
  /// some empty, is aligned right. Throws ShapeError when a row has more or fewer cells than there
  /// are columns.
  Document& table(std::vector<std::string> columns, std::vector<Row> rows, std::string caption);

  /// A picture that has been drawn, with its caption, numbered "Figure 1" and so on.
  Document& picture(Picture picture, const std::string& caption);

  /// Boxes with the numbers to see first.
  Document& summary(std::vector<KeyFigure> figures);

  const std::string& title() const { return title_; }
  const std::vector<Element>& elements() const { return elements_; }

  /// One page that needs nothing else: pictures are inside it. Without scripts; made for wide
  /// screens, phones, dark rooms and paper. Throws FileError when a picture cannot be read.
  std::string html() const;

  /// The same as Markdown (tables as GitHub has them), with links to the PNGs as seen from
  /// `folder`, where the text is going to be.
  std::string markdown(const std::filesystem::path& folder) const;

  /// Writes `stem`.html and `stem`.md. Throws FileError.
  void write(const std::filesystem::path& stem) const;

 private:
  std::string title_;
  std::vector<Element> elements_;
  int tables_ = 0;
  int figures_ = 0;
};

}  // namespace tapegrad::report
