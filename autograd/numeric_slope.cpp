#include "autograd/numeric_slope.h"

#include <algorithm>
#include <cmath>

namespace tapegrad {
namespace {

bool between(double x, double a, double b, double slack) {
  return x >= std::min(a, b) - slack && x <= std::max(a, b) + slack;
}

// A kink: the one-sided slopes differ by more than rounding, and the analytic slope is one of the
// slopes between them.
bool is_kink(const Slope& slope, double analytic) {
  return std::abs(slope.right - slope.left) > 4 * slope.side_noise &&
         between(analytic, slope.left, slope.right, slope.side_noise);
}

// Whether one-sided slopes that differ at a long step still differ at a short one: curvature does
// not.
bool jump_stays(const Slope& at_long_step, const Slope& at_short_step) {
  const auto jump = [](const Slope& s) { return std::abs(s.right - s.left); };
  return jump(at_short_step) > 0.01 * jump(at_long_step);
}

// Whether a kink within h of 0 excuses a slope: there is one, and the analytic slope is one of
// those that the function has beside it, but for curvature.
bool is_excused(const Line& f, double f0, double h, double analytic, double slack) {
  const Slope sides = difference(f, f0, Difference::centred, h);
  const double jump = std::abs(sides.right - sides.left);
  return jump > slack && between(analytic, sides.left, sides.right, 0.1 * jump + slack) &&
         has_kink(f, f0, h);
}

}  // namespace

NumericSlope fixed_step(const Line& f, double f0, Difference scheme, double h, double analytic,
                        double tolerance) {
  const Slope slope = difference(f, f0, scheme, h);
  const bool short_step = scheme == Difference::forward || scheme == Difference::centred;
  if (short_step) {
    return {slope.value, slope.noise, is_excused(f, f0, h, analytic, tolerance + slope.noise)};
  }
  if (std::abs(analytic - slope.value) <= tolerance + slope.noise) {
    return {slope.value, slope.noise, false};
  }
  // Long steps cross kinks that shorter ones avoid: then the two disagree, and not the gradient.
  const Slope refined = refined_difference(f, f0, h);
  const bool agrees = std::abs(analytic - refined.value) <= tolerance + refined.uncertainty();
  const bool kink = is_kink(refined, analytic) && jump_stays(slope, refined);
  return {slope.value, slope.uncertainty(), agrees || kink};
}

NumericSlope best_effort(const Line& f, double f0, double h, double analytic, double tolerance) {
  constexpr double far_apart = 1e5;  // tolerances
  const Slope slope = difference(f, f0, Difference::six_point, h);
  const bool agrees = std::abs(analytic - slope.value) <= tolerance + slope.noise;
  if (agrees && std::abs(slope.right - slope.left) <= far_apart * tolerance + slope.noise) {
    return {slope.value, slope.noise, false};
  }
  const Slope refined = refined_difference(f, f0, h);
  const bool kink = is_kink(refined, analytic) && jump_stays(slope, refined);
  if (agrees) return {slope.value, slope.noise, kink};
  const double uncertainty = refined.uncertainty();
  const bool settled = std::abs(analytic - refined.value) <= tolerance + uncertainty;
  return {refined.value, uncertainty, !settled && kink};
}

}  // namespace tapegrad
