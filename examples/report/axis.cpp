#include "examples/report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace tapegrad::report {
namespace {

std::string power_of_ten(int exponent) {
  constexpr std::array<const char*, 10> digits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(exponent))) {
    text += digits[static_cast<std::size_t>(c - '0')];
  }
  return text;
}

std::string multiple(int factor, int exponent) {
  return factor == 1 ? power_of_ten(exponent)
                     : fmt::format("{}·{}", factor, power_of_ten(exponent));
}

// The multiples of a linear axis's step in a range.
std::vector<double> steps(const Range& range, int length) {
  const double step = tick_step(range.low(), range.high(), length, 50);
  std::vector<double> ticks;
  for (double i = std::ceil(range.low() / step); i * step <= range.high(); ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

}  // namespace

bool Range::shows(double value) const { return std::isfinite(value) && (!log_ || value > 0); }

void Range::include(double value) {
  if (!shows(value)) return;
  low_ = std::min(low_, value);
  high_ = std::max(high_, value);
}

Range Range::padded(double margin) const {
  Range wide(log_);
  const double low = log_ ? std::log10(low_) : low_;
  const double high = log_ ? std::log10(high_) : high_;
  const double alone = log_ ? 0.5 : std::max(1e-3, 0.1 * std::abs(low));
  const double room = high > low ? margin * (high - low) : alone;
  wide.low_ = log_ ? std::pow(10, low - room) : low - room;
  wide.high_ = log_ ? std::pow(10, high + room) : high + room;
  return wide;
}

Range bounds(const Axis& axis, const Range& data) {
  const Range wide = data.padded(0.015);
  Range range(axis.log);
  range.include(std::isnan(axis.low) ? wide.low() : axis.low);
  range.include(std::isnan(axis.high) ? wide.high() : axis.high);
  return range;
}

std::string log_ticks(double low, double high, bool labels) {
  const double decades = std::log10(high / low);
  const int every = static_cast<int>(decades / 10) + 1;
  std::string ticks;
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  for (int exponent = first; exponent <= last; ++exponent) {
    for (int factor = 1; factor <= 9; ++factor) {
      const bool named =
          (factor == 1 && exponent % every == 0) || (decades < 2 && (factor == 2 || factor == 5));
      ticks += fmt::format("{}'{}' {}e{} {}", ticks.empty() ? "" : ", ",
                           named && labels ? multiple(factor, exponent) : "", factor, exponent,
                           named ? 0 : 1);
    }
  }
  return "(" + ticks + ")";
}

double tick_step(double low, double high, int length, int room) {
  const double least = (high - low) * room / length;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const int factor : {1, 2, 5}) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

std::string axis_commands(char axis, const Range& range, bool log, int length, bool labels) {
  const std::string bounds =
      fmt::format("set {}range [{:.9g}:{:.9g}]", axis, range.low(), range.high());
  if (log && range.high() < 10 * range.low()) {
    return fmt::format("set logscale {0}; set {0}tics ({1}); set format {0} '{2}'; {3}", axis,
                       fmt::join(steps(range, length), ", "), labels ? "%g" : "", bounds);
  }
  if (log) {
    return fmt::format("set logscale {0}; set {0}tics {1}; {2}", axis,
                       log_ticks(range.low(), range.high(), labels), bounds);
  }
  const double step = tick_step(range.low(), range.high(), length, axis == 'x' ? 60 : 24);
  return fmt::format("unset logscale {0}; set {0}tics {1:g}; set format {0} '{2}'; {3}", axis, step,
                     labels ? "%g" : "", bounds);
}

int legend_height(std::span<const std::string> names, int width) {
  if (names.empty()) return 0;
  std::size_t longest = 0;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  const int column = 8 * static_cast<int>(longest) + 48;
  const int columns = std::max(1, width / column);
  const int rows = (static_cast<int>(names.size()) + columns - 1) / columns;
  return 12 + 16 * rows;
}

}  // namespace tapegrad::report
