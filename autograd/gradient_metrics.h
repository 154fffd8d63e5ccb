// How far two gradients are apart, by every measure in use.
#pragma once

#include <span>

namespace tapegrad {

/// The measures in use for comparing an analytic gradient a with a numeric one n.
struct GradientMetrics {
  double max_absolute = 0;   // max |a - n|
  double mean_absolute = 0;  // mean |a - n|
  double share_small = 0;    // the share of entries with |a - n| < 1e-6
  double max_relative = 0;   // max of |a - n| / max(eps, |a| + |n|)
  double mean_relative = 0;  // its mean
  double sum_relative = 0;   // sum |a - n| / sum max(eps, |a| + |n|)
  double norm_relative = 0;  // ||a - n|| / max(eps, ||a|| + ||n||)
};

/// The metrics of two gradients of the same length. A NaN in either makes every one of them NaN.
GradientMetrics gradient_metrics(std::span<const double> a, std::span<const double> n,
                                 double eps = 1e-12);

}  // namespace tapegrad
