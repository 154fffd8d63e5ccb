// Finding the learning rates to cycle between.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "optim/trainer.h"

namespace tapegrad::optim {

struct RangeTestOptions {
  double lr_min = 1e-5;
  double lr_max = 1;
  Index steps = 1000;
  bool exponential = true;  // the rate rises by a factor a step, else by a difference
  Index measurements = 50;  // evenly spread over the steps
  double stop_at = 4;       // > 1: ends when the smoothed loss is so many times its lowest, or as
                            // far above a negative one
};

/// What training came to at one learning rate on the way up.
struct RangePoint {
  double lr;
  double loss;      // the batches' losses, smoothed (an exponential average over about 20 steps)
  double accuracy;  // validation accuracy; NaN when not measured
};

struct RangeTest {
  std::vector<RangePoint> points;
  bool diverged = false;     // stopped before lr_max
  double suggested_min = 0;  // where the loss begins to fall: a tenth of the fall is done
  double suggested_max = 0;  // half the rate with the lowest loss: just before it grows ragged

  /// Whether there is a range to suggest: none, and two zeros, where the loss does not fall, or all
  /// of its fall lies between two rates that are no factor of two apart.
  bool found() const { return suggested_min < suggested_max; }
};

/// Trains with plain gradient descent while the learning rate rises from lr_min to lr_max, and
/// restores the parameters of the groups: running statistics among them, unless they are left out,
/// as in trainable(). `loss` records the loss of the next batch; `accuracy` measures and may be
/// empty. Throws OptionError for options out of range. Source: Smith, "Cyclical learning rates for
/// training neural networks", 2015, section 3.3.
template <Real T>
RangeTest lr_range_test(const ParamGroups<T>& groups, const typename Trainer<T>::Loss& loss,
                        const std::function<double()>& accuracy,
                        const RangeTestOptions& options = {});

/// "lr,loss,accuracy" and a line a point.
std::string to_csv(const RangeTest& test);

}  // namespace tapegrad::optim
