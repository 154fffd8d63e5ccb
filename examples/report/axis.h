// Ranges and tick marks of axes.
#pragma once

#include <span>
#include <string>

#include "examples/report/charts.h"

namespace tapegrad::report {

/// Grows to hold the numbers that an axis can show: finite ones, positive ones on a logarithmic
/// axis.
class Range {
 public:
  explicit Range(bool log) : log_(log) {}

  bool shows(double value) const;
  void include(double value);
  bool empty() const { return low_ > high_; }
  double low() const { return low_; }
  double high() const { return high_; }

  /// The range with a margin of so many times its length at both ends; a single point gets room.
  Range padded(double margin) const;

 private:
  bool log_;
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
};

/// The range of an axis: its bounds where it has them, else the data's and a little more.
Range bounds(const Axis& axis, const Range& data);

/// gnuplot's commands for the axis 'x' or 'y': scale, ticks and range. `length` is what it measures
/// in the picture, in the script's units; without `labels` the ticks have no numbers.
std::string axis_commands(char axis, const Range& range, bool log, int length, bool labels = true);

/// The distance between the ticks of a linear axis, 1, 2 or 5 times a power of ten: the smallest
/// that leaves `room` units between them.
double tick_step(double low, double high, int length, int room);

/// The ticks of a logarithmic axis, "('10⁻⁵' 1e-05 0, '' 2e-05 1, ...)"; within two decades also
/// 2 and 5 times powers have labels, without `labels` none has.
std::string log_ticks(double low, double high, bool labels = true);

/// The height of a legend over a picture so wide: as many columns as gnuplot makes of these names.
int legend_height(std::span<const std::string> names, int width);

}  // namespace tapegrad::report
