// Learning rates as pure functions of the step.
#pragma once

#include <functional>

#include "tensor/scalar.h"

namespace tapegrad::optim {

/// The learning rate of step 0, 1, ... A schedule holds no state: it cannot be stepped twice.
using Schedule = std::function<double(Index step)>;

/// lr(t) = lr.
struct Constant {
  double lr;

  double operator()(Index) const { return lr; }
};

/// lr(t) = lr * factor^floor(t / every).
struct StepDecay {
  double lr;
  double factor = 0.1;
  Index every = 1;

  /// Throws OptionError when every < 1.
  double operator()(Index step) const;
};

/// The triangular cyclical rate (Smith 2015): up from lr_min to lr_max in half_cycle steps, down
/// again in as many, and so on. With l = floor(t / (2 n_s)), n_s = half_cycle:
/// lr(t) = lr_min + (t - 2 l n_s) / n_s * (lr_max - lr_min) while it rises.
struct CyclicLr {
  double lr_min = 1e-5;
  double lr_max = 1e-1;
  Index half_cycle = 500;

  /// Throws OptionError when half_cycle < 1.
  double operator()(Index step) const;

  /// The number of steps in so many whole cycles.
  Index steps(Index cycles) const { return 2 * half_cycle * cycles; }
};

}  // namespace tapegrad::optim
