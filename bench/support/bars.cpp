#include "bench/support/bars.h"

#include <algorithm>

#include "examples/report/gnuplot.h"
#include "tensor/error.h"

namespace tapegrad::bench {

report::Picture draw_bars(report::Picture to, const std::string& label,
                          const std::vector<Bar>& bars) {
  if (bars.empty()) throw DataError("bar chart: there is no bar to draw");
  constexpr int width = 640, left = 150, right = 20, top = 34, bar_height = 26, axis_height = 48;
  const int count = static_cast<int>(bars.size());
  report::Script script(width, top + count * bar_height + axis_height);
  script.title(to.title);
  script.frame(left, width - right, top, top + count * bar_height);

  double longest = 0;
  for (const Bar& bar : bars) longest = std::max(longest, bar.value);
  std::vector<std::string> plots;
  for (int i = 0; i < count; ++i) {
    const Bar& bar = bars[static_cast<std::size_t>(i)];
    script.add("set label {} at {:.9g},{} left offset 0.5,0 front", report::literal(bar.text),
               bar.value, -i);
    script.add("set ytics add ({} {})", report::literal(bar.name), -i);
    plots.push_back(
        fmt::format("{} using 1:2:3:4:5:6 with boxxyerror fs solid noborder lc rgb '{}'",
                    script.data({{bar.value / 2, -1.0 * i, 0, bar.value, -i - 0.32, -i + 0.32}}),
                    bar.emphasised ? report::colour(0) : report::grey));
  }
  script.add("set xrange [0:{:.9g}]", 1.3 * longest);  // room for the text of the longest
  script.add("set yrange [{}:0.5]", -count + 0.5);
  script.add("set xlabel {}", report::literal(label));
  script.add("unset key; set grid noytics");
  script.add("plot {}", fmt::format("{}", fmt::join(plots, ", \\\n    ")));
  script.draw(to);
  return to;
}

}  // namespace tapegrad::bench
