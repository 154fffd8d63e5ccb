// Line charts and histograms.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "examples/report/picture.h"

namespace tapegrad::report {

/// A horizontal axis, the same for all panels of a picture. Bounds that are NaN come from the data.
struct Axis {
  std::string label;
  bool log = false;
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

/// Points (x, y), in any order. A point that is not finite, or not positive on a logarithmic axis,
/// is left out: there the line breaks.
struct Series {
  std::string name;  // in the legend; the same name has the same colour in every panel
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> error = {};  // a bar from y - error to y + error; empty for none
  bool joined = true;              // by a line
};

/// A shaded range of x.
struct Band {
  double low;
  double high;
  std::string name = {};  // in the legend
};

/// One chart of a picture.
struct Panel {
  std::string y_label;
  std::vector<Series> series;
  bool log_y = false;
  double height = 1;  // relative to the other panels
  std::optional<Band> band = {};
};

/// Draws panels below each other over one x axis: cost, loss and accuracy over steps with the
/// learning rate under them; accuracy with error bars over lambda; loss and accuracy over the
/// learning rate. Throws ShapeError when the columns of a series differ in length, DataError when a
/// panel has no series or a series no point to draw, and FileError as Script::draw does.
Picture curves(Picture to, const Axis& x, std::span<const Panel> panels);

/// Numbers whose distribution is to be seen.
struct Sample {
  std::string name;
  std::vector<double> values;
};

/// Draws how many values of each sample fall into each of `bins` common bins, of equal width on the
/// axis. Values that are not finite or outside of the axis (on a logarithmic one also zeros) are
/// counted in the legend. Throws DataError when there is nothing to draw, OptionError unless
/// 1 <= bins <= 1000, and FileError as Script::draw does.
Picture histograms(Picture to, const Axis& x, const std::string& y_label,
                   std::span<const Sample> samples, int bins = 40);

}  // namespace tapegrad::report
