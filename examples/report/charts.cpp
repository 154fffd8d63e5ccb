#include "examples/report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "examples/report/axis.h"
#include "examples/report/gnuplot.h"
#include "tensor/error.h"

namespace tapegrad::report {
namespace {

using Rows = std::vector<std::vector<double>>;

constexpr int width = 720;
constexpr int panel_height = 170;
constexpr int title_height = 30;
constexpr int axis_height = 54;  // ticks and label under the last panel
constexpr int left_margin = 80;
constexpr int right_margin = 24;
constexpr std::size_t most_marked = 40;  // longer series are lines without points

int height_of(const Panel& panel) { return static_cast<int>(panel_height * panel.height); }

std::vector<std::string> legend_of(const Panel& panel) {
  std::vector<std::string> names;
  if (panel.band && !panel.band->name.empty()) names.push_back(panel.band->name);
  for (const Series& s : panel.series) {
    if (!s.name.empty()) names.push_back(s.name);
  }
  return names;
}

// A legend says nothing new under a panel that has the same one.
bool has_legend(std::span<const Panel> panels, std::size_t i) {
  const std::vector<std::string> names = legend_of(panels[i]);
  return !names.empty() && (i == 0 || names != legend_of(panels[i - 1]));
}

int gap_above(std::span<const Panel> panels, std::size_t i) {
  if (!has_legend(panels, i)) return 20;
  return legend_height(legend_of(panels[i]), width - left_margin);
}

int height_of(const Picture& to, std::span<const Panel> panels) {
  int height = (to.title.empty() ? 8 : title_height) + axis_height;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    height += gap_above(panels, i) + height_of(panels[i]);
  }
  return height;
}

void require_columns(const Series& s) {
  if (s.x.size() == s.y.size() && (s.error.empty() || s.error.size() == s.y.size())) return;
  throw ShapeError(
      fmt::format("curves: series '{}' has {} x, {} y and {} errors: give as many of each", s.name,
                  s.x.size(), s.y.size(), s.error.size()));
}

// The points in order of x; those that the axes cannot show as NaN, so that the line breaks.
Rows points(const Series& s, const Range& x, const Range& y) {
  require_columns(s);
  Rows rows;
  bool any = false;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!x.shows(s.x[i])) continue;
    const double error = s.error.empty() ? 0 : s.error[i];
    const bool shown = y.shows(s.y[i]);
    any |= shown;
    rows.push_back({s.x[i], shown ? s.y[i] : NAN, y.shows(s.y[i] - error) ? error : 0});
  }
  if (!any) throw DataError(fmt::format("curves: series '{}' has no point to draw", s.name));
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a[0] < b[0]; });
  return rows;
}

// Which colour a name has: names count in the order in which they appear.
std::size_t rank_of(const std::string& name, std::span<const Panel> panels) {
  std::vector<std::string> names;
  for (const Panel& panel : panels) {
    for (const Series& s : panel.series) {
      if (s.name.empty() || std::count(names.begin(), names.end(), s.name) != 0) continue;
      if (s.name == name) return names.size();
      names.push_back(s.name);
    }
  }
  return 0;
}

// The panel's axes, and the parts of its plot command.
class PanelDrawing {
 public:
  PanelDrawing(Script& script, const Panel& panel, const Range& x, std::span<const Panel> all)
      : script_(script), panel_(panel), x_(x), y_(panel.log_y), all_(all) {}

  void draw() {
    if (panel_.band) shade(*panel_.band);
    for (const Series& s : panel_.series) add(s);
    script_.add("set ylabel {} offset 0.5,0", literal(panel_.y_label));
    script_.add("{}", axis_commands('y', y_.padded(0.05), panel_.log_y, height_of(panel_)));
    script_.add("plot {}", fmt::join(plots_, ", \\\n    "));
    script_.add("unset object 1");
  }

 private:
  void shade(const Band& band) {
    script_.add(
        "set object 1 rectangle from {:.9g}, graph 0 to {:.9g}, graph 1 behind fillcolor rgb "
        "'#eeeeee' fillstyle solid noborder",
        std::max(band.low, x_.low()), std::min(band.high, x_.high()));
    if (band.name.empty()) return;
    plots_.push_back("keyentry with boxes lc rgb '#e0e0e0' fs solid title " + literal(band.name));
  }

  void add(const Series& s) {
    const Rows rows = points(s, x_, y_);
    for (const auto& row : rows) {
      y_.include(row[1] - row[2]);
      y_.include(row[1] + row[2]);
    }
    const std::string data = script_.data(rows);
    const std::size_t rank = rank_of(s.name, all_);
    const std::string look =
        fmt::format("lc rgb '{}' dt {}", s.name.empty() ? grey : colour(rank), rank < 6 ? 1 : 2);
    const char* style = !s.joined                    ? "points pt 7 ps 0.5"
                        : rows.size() <= most_marked ? "linespoints lw 1.6 pt 7 ps 0.4"
                                                     : "lines lw 1.6";
    if (!s.error.empty()) {
      // Not yerrorbars, which leave a gap around the point.
      plots_.push_back(fmt::format(
          "{} using 1:($2-$3):(0):($3>0 ? 2*$3 : NaN) with vectors heads size screen 0.005,90 "
          "nofilled lw 1 {}",
          data, look));
    }
    plots_.push_back(
        fmt::format("{} using 1:2 with {} {} title {}", data, style, look, literal(s.name)));
  }

  Script& script_;
  const Panel& panel_;
  Range x_;
  Range y_;
  std::span<const Panel> all_;
  std::vector<std::string> plots_;
};

Range range_of(const Axis& x, std::span<const Panel> panels) {
  Range range(x.log);
  for (const Panel& panel : panels) {
    for (const Series& s : panel.series) {
      for (const double value : s.x) range.include(value);
    }
  }
  return range;
}

void require_series(const Picture& to, std::span<const Panel> panels) {
  if (panels.empty()) throw DataError(fmt::format("curves: '{}' has no panel", to.title));
  for (const Panel& panel : panels) {
    if (!panel.series.empty()) continue;
    throw DataError(fmt::format("curves: panel '{}' has no series", panel.y_label));
  }
}

}  // namespace

Picture curves(Picture to, const Axis& x, std::span<const Panel> panels) {
  require_series(to, panels);
  const Range data = range_of(x, panels);
  if (data.empty()) throw DataError(fmt::format("curves: '{}' has no point to draw", to.title));
  const Range range = bounds(x, data);

  Script script(width, height_of(to, panels));
  script.add("set multiplot");
  script.title(to.title);
  int top = to.title.empty() ? 8 : title_height;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    top += gap_above(panels, i);
    const int bottom = top + height_of(panels[i]);
    script.frame(left_margin, width - right_margin, top, bottom);
    top = bottom;
    const bool last = i + 1 == panels.size();
    script.add("{}", axis_commands('x', range, x.log, width - left_margin, last));
    if (last) script.add("set xlabel {} offset 0,0.3", literal(x.label));
    script.add("{} key", has_legend(panels, i) ? "set" : "unset");
    PanelDrawing(script, panels[i], range, panels).draw();
    script.add("unset label");  // the title
  }
  script.add("unset multiplot");
  script.draw(to);
  return to;
}

}  // namespace tapegrad::report
