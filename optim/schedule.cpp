#include "optim/schedule.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "tensor/error.h"
#include "tensor/options.h"

namespace tapegrad::optim {
namespace {

void require_range(const char* schedule, double lr_min, double lr_max) {
  if (lr_min >= 0 && lr_min <= lr_max && std::isfinite(lr_max)) return;
  throw OptionError(
      fmt::format("{}: lr_min is {} and lr_max is {}, but 0 <= lr_min <= lr_max must hold",
                  schedule, lr_min, lr_max));
}

void require_valid(const CyclicLr& clr) {
  require_at_least(1, "CyclicLr: half_cycle", clr.half_cycle);
  require_at_least(1, "CyclicLr: growth", clr.growth);
  require_range("CyclicLr", clr.lr_min, clr.lr_max);
  require_share("CyclicLr: peak_decay", clr.peak_decay);
}

void require_valid(const CosineLr& cosine) {
  require_at_least(1, "CosineLr: period", cosine.period);
  require_at_least(1, "CosineLr: growth", cosine.growth);
  require_range("CosineLr", cosine.lr_min, cosine.lr_max);
}

void require_valid(const RampLr& ramp) {
  require_at_least(2, "RampLr: steps", ramp.steps);
  require_range("RampLr", ramp.lr_min, ramp.lr_max);
  if (ramp.exponential && ramp.lr_min == 0) {
    throw OptionError("RampLr: lr_min is 0, but an exponential ramp must start above 0");
  }
}

// Twice an Index fits.
using Count = std::uint64_t;

constexpr Count largest_index = std::numeric_limits<Index>::max();

// A step seen from its period; the numbers are exact up to 2^53.
struct Place {
  Index period;
  double step;  // since the period began
  double length;
};

// Where a step is among periods of first, first * growth, first * growth^2, ... steps. They grow
// past every step in at most 64 turns, and a length that does not fit is longer than any step.
Place locate(Index step, Count first, Index growth) {
  const auto factor = static_cast<Count>(growth);
  auto rest = static_cast<Count>(step);
  Count length = first;
  Index period = 0;
  if (factor == 1) {
    period = static_cast<Index>(rest / length);
    rest %= length;
  }
  for (; rest >= length; ++period) {
    rest -= length;
    if (length > std::numeric_limits<Count>::max() / factor) {
      const double next = static_cast<double>(length) * static_cast<double>(growth);
      return {period + 1, static_cast<double>(rest), next};
    }
    length *= factor;
  }
  return {period, static_cast<double>(rest), static_cast<double>(length)};
}

// a * b + c, or one more than the largest Index when that is exceeded.
Count saturating(Count a, Count b, Count c) {
  const bool fits = c <= largest_index && (b == 0 || a <= (largest_index - c) / b);
  return fits ? a * b + c : largest_index + 1;
}

// The steps of so many periods, by Horner's rule: first * (1 + growth * (1 + growth * ...)).
Index total_steps(const char* schedule, Index periods, Count first, Index growth) {
  const auto factor = static_cast<Count>(growth);
  Count total = 0;
  if (factor == 1) total = saturating(first, static_cast<Count>(periods), 0);
  for (Index i = 0; factor > 1 && i < periods && total <= largest_index; ++i) {
    total = saturating(total, factor, first);
  }
  if (total <= largest_index) return static_cast<Index>(total);
  throw OptionError(
      fmt::format("{}: {} periods, the first of {} steps and each {} times as long as the one "
                  "before, are more steps than can be counted; take fewer",
                  schedule, periods, first, growth));
}

Count cycle_length(const CyclicLr& clr) { return 2 * static_cast<Count>(clr.half_cycle); }

}  // namespace

double StepDecay::operator()(Index step) const {
  require_at_least(1, "StepDecay: every", every);
  require_at_least(0, "StepDecay: step", step);
  require_size("StepDecay: lr", lr);
  require_size("StepDecay: factor", factor);
  const Index decays = step / every;
  return lr * std::pow(factor, static_cast<double>(decays));
}

double CyclicLr::operator()(Index step) const {
  require_valid(*this);
  require_at_least(0, "CyclicLr: step", step);
  const Place place = locate(step, cycle_length(*this), growth);
  const double half = place.length / 2;
  const double height = place.step <= half ? place.step : place.length - place.step;
  const double fraction = height / half;
  const double amplitude =
      (lr_max - lr_min) * std::pow(peak_decay, static_cast<double>(place.period));
  return lr_min + fraction * amplitude;
}

Index CyclicLr::cycle(Index step) const {
  require_valid(*this);
  require_at_least(0, "CyclicLr: step", step);
  return locate(step, cycle_length(*this), growth).period;
}

Index CyclicLr::steps(Index cycles) const {
  require_valid(*this);
  require_at_least(0, "CyclicLr: cycles", cycles);
  return total_steps("CyclicLr", cycles, cycle_length(*this), growth);
}

double CosineLr::operator()(Index step) const {
  require_valid(*this);
  require_at_least(0, "CosineLr: step", step);
  const Place place = locate(step, static_cast<Count>(period), growth);
  // (1 + cos x) / 2 = cos^2(x / 2), which keeps its digits near 0.
  const double root = std::cos(std::numbers::pi / 2 * (place.step / place.length));
  return lr_min + (lr_max - lr_min) * (root * root);
}

Index CosineLr::steps(Index periods) const {
  require_valid(*this);
  require_at_least(0, "CosineLr: periods", periods);
  return total_steps("CosineLr", periods, static_cast<Count>(period), growth);
}

double RampLr::operator()(Index step) const {
  require_valid(*this);
  require_at_least(0, "RampLr: step", step);
  if (step >= steps - 1) return lr_max;
  const double x = static_cast<double>(step) / static_cast<double>(steps - 1);
  return exponential ? lr_min * std::pow(lr_max / lr_min, x) : lr_min + x * (lr_max - lr_min);
}

}  // namespace tapegrad::optim
