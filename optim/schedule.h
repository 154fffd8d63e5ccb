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

  /// Throws OptionError when every < 1, for a negative or infinite lr or factor, or a negative
  /// step.
  double operator()(Index step) const;
};

/// The triangular cyclical rate: up from lr_min to its peak in half_cycle steps, down again in as
/// many, and so on. With l = 0, 1, ... the cycle, n_l = half_cycle * growth^l its half length and
/// p steps since it began (for growth 1, l = floor(t / (2 n)) and p = t - 2 l n):
/// lr(t) = lr_min + p / n_l * peak_decay^l * (lr_max - lr_min) while it rises.
/// peak_decay = 0.5 is the source's "triangular2"; growth = 2 doubles each cycle.
/// Source: Smith 2015, Cyclical Learning Rates for Training Neural Networks.
struct CyclicLr {
  double lr_min = 1e-5;
  double lr_max = 1e-1;
  Index half_cycle = 500;
  double peak_decay = 1;  // [0, 1]
  Index growth = 1;       // at least 1

  /// Throws OptionError unless 0 <= lr_min <= lr_max, half_cycle and growth are at least 1,
  /// peak_decay is in [0, 1] and the step is at least 0.
  double operator()(Index step) const;

  /// The cycle that a step belongs to: 0, 1, ... Throws as operator() does.
  Index cycle(Index step) const;

  /// The number of steps in so many whole cycles. Throws as operator() does, and when there are
  /// more of them than an Index counts.
  Index steps(Index cycles) const;
};

/// Cosine annealing with warm restarts: in each period down from lr_max along half a cosine, then
/// back at lr_max. With n_l = period * growth^l the length of period l and p = 0 .. n_l - 1 the
/// steps since it began:
/// lr(t) = lr_min + (lr_max - lr_min) / 2 * (1 + cos(pi p / n_l)),
/// which comes close to lr_min at a period's last step. Source: Loshchilov & Hutter 2017, SGDR.
struct CosineLr {
  double lr_min = 1e-5;
  double lr_max = 1e-1;
  Index period = 1000;
  Index growth = 1;  // at least 1

  /// Throws OptionError unless 0 <= lr_min <= lr_max, period and growth are at least 1 and the step
  /// is at least 0.
  double operator()(Index step) const;

  /// The number of steps in so many whole periods. Throws as operator() does, and when there are
  /// more of them than an Index counts.
  Index steps(Index periods) const;
};

/// For the learning-rate range test: from lr_min at step 0 to lr_max at step `steps` - 1, then
/// constant. With x = t / (steps - 1):
/// lr(t) = lr_min + x (lr_max - lr_min), or exponential lr_min (lr_max / lr_min)^x.
/// Source: Smith 2015.
struct RampLr {
  double lr_min = 1e-5;
  double lr_max = 1e-1;
  Index steps = 1000;  // at least 2
  bool exponential = false;

  /// Throws OptionError unless 0 <= lr_min <= lr_max (0 < lr_min when exponential), steps is at
  /// least 2 and the step is at least 0.
  double operator()(Index step) const;
};

}  // namespace tapegrad::optim
