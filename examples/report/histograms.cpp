#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "examples/report/axis.h"
#include "examples/report/charts.h"
#include "examples/report/gnuplot.h"
#include "tensor/error.h"

namespace tapegrad::report {
namespace {

using Rows = std::vector<std::vector<double>>;

constexpr int width = 720;
constexpr int plot_height = 250;
constexpr int title_height = 30;
constexpr int axis_height = 54;
constexpr int left_margin = 80;
constexpr int right_margin = 24;

// Where a sample's values fall: counts of the bins, and how many are in none.
struct Histogram {
  std::vector<double> counts;
  int outside = 0;
};

class Bins {
 public:
  Bins(const Range& range, bool log, int count)
      : range_(range),
        log_(log),
        count_(count),
        low_(on_axis(range.low())),
        step_((on_axis(range.high()) - low_) / count) {}

  double edge(int i) const {
    const double at = low_ + i * step_;
    return log_ ? std::pow(10, at) : at;
  }

  Histogram fill(std::span<const double> values) const {
    Histogram histogram{std::vector<double>(static_cast<std::size_t>(count_), 0.0)};
    for (const double value : values) {
      if (!(value >= range_.low() && value <= range_.high())) {
        ++histogram.outside;
        continue;
      }
      const int bin = std::min(static_cast<int>((on_axis(value) - low_) / step_), count_ - 1);
      ++histogram.counts[static_cast<std::size_t>(std::max(bin, 0))];
    }
    return histogram;
  }

  // The outline of counts, from zero to zero.
  Rows outline(const std::vector<double>& counts) const {
    Rows rows{{edge(0), 0}};
    for (int i = 0; i < count_; ++i) {
      const double count = counts[static_cast<std::size_t>(i)];
      rows.push_back({edge(i), count});
      rows.push_back({edge(i + 1), count});
    }
    rows.push_back({edge(count_), 0});
    return rows;
  }

 private:
  double on_axis(double value) const { return log_ ? std::log10(value) : value; }

  Range range_;
  bool log_;
  int count_;
  double low_;
  double step_;
};

Range range_of(const Axis& x, std::span<const Sample> samples) {
  Range range(x.log);
  for (const Sample& sample : samples) {
    for (const double value : sample.values) range.include(value);
  }
  return range;
}

}  // namespace

Picture histograms(Picture to, const Axis& x, const std::string& y_label,
                   std::span<const Sample> samples, int bins) {
  if (bins < 1 || bins > 1000) {
    throw OptionError(fmt::format("histograms: {} bins: give 1 to 1000", bins));
  }
  const Range data = range_of(x, samples);
  if (data.empty()) throw DataError(fmt::format("histograms: '{}' has no value", to.title));
  const Range range = bounds(x, data);
  const Bins grid(range, x.log, bins);

  std::vector<std::string> names;
  std::vector<std::vector<double>> counts;
  for (const Sample& sample : samples) {
    const Histogram histogram = grid.fill(sample.values);
    names.push_back(sample.name);
    if (histogram.outside > 0) {
      names.back() += fmt::format(" ({} not on the axis)", histogram.outside);
    }
    counts.push_back(histogram.counts);
  }

  const int top = (to.title.empty() ? 8 : title_height) + legend_height(names, width - left_margin);
  Script script(width, top + plot_height + axis_height);
  script.title(to.title);
  script.frame(left_margin, width - right_margin, top, top + plot_height);
  script.add("{}", axis_commands('x', range, x.log, width - left_margin));
  script.add("set xlabel {} offset 0,0.3", literal(x.label));
  script.add("set ylabel {} offset 0.5,0; set yrange [0:*]", literal(y_label));
  std::vector<std::string> plots;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    plots.push_back(fmt::format(
        "{0} using 1:2 with filledcurves y1=0 fs transparent solid 0.2 noborder lc rgb '{1}', "
        "{0} using 1:2 with lines lw 1.4 lc rgb '{1}' title {2}",
        script.data(grid.outline(counts[i])), colour(i), literal(names[i])));
  }
  script.add("plot {}", fmt::join(plots, ", \\\n    "));
  script.draw(to);
  return to;
}

}  // namespace tapegrad::report
