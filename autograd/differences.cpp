#include "autograd/differences.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace tapegrad {
namespace {

constexpr double eps = std::numeric_limits<double>::epsilon();

// What rounding inside f may move a difference quotient with step h by. Values of f are sums of
// many terms, right to some tens of units in the last place.
double rounding(double f, double h) { return 32 * eps * std::max(1.0, std::abs(f)) / h; }

struct Pair {
  LinePoint right;
  LinePoint left;

  double centred() const { return (right.value - left.value) / (right.step - left.step); }
  double right_slope(double f0) const { return (right.value - f0) / right.step; }
  double left_slope(double f0) const { return (left.value - f0) / left.step; }
};

Pair sample(const Line& f, double h) {
  const LinePoint right = f(h);
  return {right, f(-h)};
}

Slope forward(const Line& f, double f0, double h) {
  const auto slope = [&](double step) {
    const LinePoint p = f(step);
    return (p.value - f0) / p.step;
  };
  const double value = slope(h);
  const double half = slope(h / 2);  // its error is half as large
  return {value, rounding(f0, h), 2 * std::abs(value - half), value, value, rounding(f0, h)};
}

Slope centred(const Line& f, double f0, double h) {
  const Pair full = sample(f, h);
  const Pair half = sample(f, h / 2);  // its error is a quarter as large
  return {full.centred(),
          rounding(f0, h),
          4.0 / 3 * std::abs(full.centred() - half.centred()),
          full.left_slope(f0),
          full.right_slope(f0),
          rounding(f0, h)};
}

// four_point and six_point share their points; the error of the lower one bounds the higher one's.
Slope many_points(const Line& f, double f0, Difference scheme, double h) {
  const auto delta = [&](const Pair& p, double k) {  // f(kh) - f(-kh), for the step really made
    return p.centred() * 2 * k * h;
  };
  const Pair first = sample(f, h);
  const double d1 = delta(first, 1);
  const double d2 = delta(sample(f, 2 * h), 2);
  const double four = (8 * d1 - d2) / (12 * h);
  if (scheme == Difference::four_point) {
    return {four,
            1.5 * rounding(f0, h),
            std::abs(four - d1 / (2 * h)),
            first.left_slope(f0),
            first.right_slope(f0),
            rounding(f0, h)};
  }
  const double d3 = delta(sample(f, 3 * h), 3);
  const double six = (45 * d1 - 9 * d2 + d3) / (60 * h);
  return {six,
          2 * rounding(f0, h),
          std::abs(six - four),
          first.left_slope(f0),
          first.right_slope(f0),
          rounding(f0, h)};
}

}  // namespace

double best_step(Difference scheme) {
  switch (scheme) {
    case Difference::forward:
      return std::pow(eps, 1.0 / 2);
    case Difference::centred:
      return std::pow(eps, 1.0 / 3);
    case Difference::four_point:
      return std::pow(eps, 1.0 / 5);
    case Difference::six_point:
      return std::pow(eps, 1.0 / 7);
  }
  return 0;
}

Slope difference(const Line& f, double f0, Difference scheme, double h) {
  if (scheme == Difference::forward) return forward(f, f0, h);
  if (scheme == Difference::centred) return centred(f, f0, h);
  return many_points(f, f0, scheme, h);
}

Slope refined_difference(const Line& f, double f0, double h) {
  constexpr int rungs = 6;
  constexpr double ratio = 8;
  Slope best{0, 0, std::numeric_limits<double>::infinity(), 0, 0, 0};
  double previous = 0;
  for (int i = 0; i < rungs; ++i, h /= ratio) {
    const Pair pair = sample(f, h);
    const double value = pair.centred();
    if (i > 0) {
      // Centred errors shrink by ratio^2, so this removes the leading term.
      const double extrapolated = value + (value - previous) / (ratio * ratio - 1);
      const double truncation = std::abs(extrapolated - previous);
      const double noise = rounding(f0, h);
      if (!(noise + truncation >= best.uncertainty())) {
        best.value = extrapolated;
        best.noise = noise;
        best.truncation = truncation;
      }
    }
    best.left = pair.left_slope(f0);
    best.right = pair.right_slope(f0);
    best.side_noise = rounding(f0, h);
    previous = value;
  }
  // Beside a kink only the shortest step may be clean, with none to extrapolate from.
  const double jump = std::abs(best.right - best.left);
  if (!(best.side_noise + jump >= best.uncertainty())) {
    best.value = previous;
    best.noise = best.side_noise;
    best.truncation = jump;
  }
  return best;
}

bool has_kink(const Line& f, double f0, double h) {
  const double limit = 64 * eps * std::max(1.0, std::abs(f0));
  const auto second = [&](double step) {
    // Summed as differences, which are small, and symmetric in the steps really made.
    const Pair p = sample(f, step);
    return (p.right.value - f0) + (p.left.value - f0);
  };
  const std::array<double, 3> s{second(h), second(h / 2), second(h / 4)};
  const double at_h = s[0] - 4 * s[1];
  const double at_half = s[1] - 4 * s[2];
  if (std::abs(at_h) <= limit && std::abs(at_half) <= limit) return false;
  const double at_quarter = s[2] - 4 * second(h / 8);
  const auto shrinks = [&](double longer, double shorter) {
    return std::abs(longer - 16 * shorter) <= 0.1 * std::abs(longer) + 4 * limit;
  };
  return !(shrinks(at_h, at_half) && shrinks(at_half, at_quarter));
}

}  // namespace tapegrad
