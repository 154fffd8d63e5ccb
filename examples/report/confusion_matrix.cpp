#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "examples/report/gnuplot.h"
#include "examples/report/images.h"
#include "tensor/error.h"

namespace tapegrad::report {
namespace {

constexpr int cell_width = 54;
constexpr int cell_height = 36;
constexpr int left_margin = 120;
constexpr int right_margin = 76;
constexpr int title_height = 40;
constexpr int bottom_margin = 108;

// White at share 0, the colour itself at 1, as gnuplot's 0xrrggbb.
double tint(const std::array<int, 3>& rgb, double share) {
  double value = 0;
  for (const int channel : rgb) value = 256 * value + std::round(255 + share * (channel - 255));
  return value;
}

double cell_colour(bool hit, double share) {
  constexpr std::array<int, 3> blue{0, 82, 138};
  constexpr std::array<int, 3> orange{213, 94, 0};
  return hit ? tint(blue, share) : tint(orange, std::min(1.0, share / 0.3));
}

class Counts {
 public:
  Counts(std::span<const std::int64_t> counts, std::size_t classes)
      : counts_(counts), classes_(classes) {}

  double at(std::size_t row, std::size_t column) const {
    return static_cast<double>(counts_[row * classes_ + column]);
  }
  double row_sum(std::size_t row) const {
    double sum = 0;
    for (std::size_t i = 0; i < classes_; ++i) sum += at(row, i);
    return sum;
  }
  double column_sum(std::size_t column) const {
    double sum = 0;
    for (std::size_t i = 0; i < classes_; ++i) sum += at(i, column);
    return sum;
  }

 private:
  std::span<const std::int64_t> counts_;
  std::size_t classes_;
};

std::string percent(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f}%", 100 * part / whole) : "–";
}

}  // namespace

Picture confusion_matrix(Picture to, std::span<const std::int64_t> counts,
                         std::span<const std::string_view> classes) {
  const std::size_t k = classes.size();
  if (k == 0 || counts.size() != k * k) {
    throw ShapeError(fmt::format("confusion_matrix: {} counts for {} classes: give {} x {}",
                                 counts.size(), k, k, k));
  }
  const Counts table(counts, k);
  const int n = static_cast<int>(k);
  const int top = to.title.empty() ? 28 : title_height + 16;
  Script script(left_margin + n * cell_width + right_margin, top + n * cell_height + bottom_margin);
  script.title(to.title);
  script.frame(left_margin, left_margin + n * cell_width, top, top + n * cell_height);
  script.add("unset border; unset grid; set tics scale 0");
  script.add("set xrange [-0.5:{0}.5]; set yrange [{0}.5:-0.5]", n - 1);

  std::vector<std::vector<double>> cells;
  std::string names;
  for (std::size_t row = 0; row < k; ++row) {
    const double images = table.row_sum(row);
    const double y = static_cast<double>(row);
    for (std::size_t column = 0; column < k; ++column) {
      const double x = static_cast<double>(column);
      const double share = images > 0 ? table.at(row, column) / images : 0;
      cells.push_back(
          {x, y, x - 0.48, x + 0.48, y - 0.47, y + 0.47, cell_colour(row == column, share)});
      const bool dark = row == column && share > 0.55;
      script.add("set label '{}' at {},{} center front textcolor rgb '{}'", table.at(row, column),
                 x, y, dark ? "#ffffff" : "#222222");
    }
    script.add("set label '{}' at {},{} center front textcolor rgb '{}'",
               percent(table.at(row, row), images), n - 0.1, y, grey);
    script.add("set label '{}' at {},{} center front textcolor rgb '{}'",
               percent(table.at(row, row), table.column_sum(row)), y, n - 0.1, grey);
    names += fmt::format("{}{} {}", row == 0 ? "" : ", ", literal(classes[row]), row);
  }
  script.add("set label 'recall' at {},-0.85 center textcolor rgb '{}'", n - 0.1, grey);
  script.add("set label 'precision' at -0.62,{} right textcolor rgb '{}'", n - 0.1, grey);
  script.add("set xtics ({}) rotate by 35 right offset 0.8,-1.6; set ytics ({})", names, names);
  script.add("set xlabel 'predicted class' offset 0,-1.2; set ylabel 'true class'");
  script.add("plot {} using 1:2:3:4:5:6:7 with boxxyerror fs solid noborder lc rgb variable",
             script.data(cells));
  script.draw(to);
  return to;
}

}  // namespace tapegrad::report
