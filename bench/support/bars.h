// Bar charts.
#pragma once

#include <string>
#include <vector>

#include "examples/report/picture.h"

namespace tapegrad::bench {

/// A horizontal bar.
struct Bar {
  std::string name;
  double value;
  std::string text;  // beside it
  bool emphasised;   // in another colour
};

/// Draws the bars below each other, from 0, over an axis with this label. Throws DataError when
/// there is none, and FileError as report::Script::draw does.
report::Picture draw_bars(report::Picture to, const std::string& label,
                          const std::vector<Bar>& bars);

}  // namespace tapegrad::bench
