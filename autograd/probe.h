// Where a gradient is probed: one element, or a random direction through all of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "autograd/parameter.h"
#include "tensor/random.h"

namespace tapegrad {

/// One element, or a direction of unit length with +-1 / sqrt(n) in every element.
struct Probe {
  Index index;                    // of the element, or the number of the direction
  std::vector<double> direction;  // empty for an element
};

/// The probes of a parameter of so many elements: `directions` random ones when that is above 0,
/// else `sample` elements at random places in ascending order, else (0) every element.
std::vector<Probe> probes_of(Index size, Index sample, Index directions, Rng& rng);

/// The slope that a gradient gives along a probe.
double slope_of(std::span<const double> gradient, const Probe& probe);

/// Moves a parameter along a probe and puts the old bits back at the end of its scope. The probe
/// must outlive it.
class Perturbation {
 public:
  Perturbation(Parameter<double>& parameter, const Probe& probe)
      : values_(moved_part(parameter.write(), probe)),
        original_(values_.begin(), values_.end()),
        direction_(probe.direction) {}
  ~Perturbation() { std::copy(original_.begin(), original_.end(), values_.begin()); }
  Perturbation(const Perturbation&) = delete;
  Perturbation& operator=(const Perturbation&) = delete;

  /// Moves by `step` and returns the step that was really made, after rounding.
  double move(double step) {
    if (direction_.empty()) {
      values_[0] = original_[0] + step;
      return values_[0] - original_[0];
    }
    for (std::size_t i = 0; i < original_.size(); ++i) {
      values_[i] = original_[i] + step * direction_[i];
    }
    return step;
  }

  /// How large the numbers are that it moves, at least 1.
  double magnitude() const {
    return direction_.empty() ? std::max(1.0, std::abs(original_[0])) : 1.0;
  }

 private:
  static std::span<double> moved_part(const View<double>& values, const Probe& probe) {
    if (!probe.direction.empty()) return values.span();
    return values.span().subspan(static_cast<std::size_t>(probe.index), 1);
  }

  std::span<double> values_;
  std::vector<double> original_;
  std::span<const double> direction_;
};

}  // namespace tapegrad
