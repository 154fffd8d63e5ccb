#include "autograd/gradient_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapegrad {

GradientMetrics gradient_metrics(std::span<const double> a, std::span<const double> n, double eps) {
  GradientMetrics m;
  double sum_error = 0, sum_scale = 0, sum_relative = 0, small = 0;
  double error_squares = 0, a_squares = 0, n_squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - n[i]);
    const double scale = std::max(eps, std::abs(a[i]) + std::abs(n[i]));
    m.max_absolute = std::max(m.max_absolute, error);
    m.max_relative = std::max(m.max_relative, error / scale);
    sum_error += error;
    sum_scale += scale;
    sum_relative += error / scale;
    small += error < 1e-6;
    error_squares += error * error;
    a_squares += a[i] * a[i];
    n_squares += n[i] * n[i];
  }
  if (a.empty()) return m;
  if (std::isnan(sum_error)) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan, nan, nan, nan, nan, nan};
  }
  const auto count = static_cast<double>(a.size());
  m.mean_absolute = sum_error / count;
  m.share_small = small / count;
  m.mean_relative = sum_relative / count;
  m.sum_relative = sum_error / sum_scale;
  m.norm_relative =
      std::sqrt(error_squares) / std::max(eps, std::sqrt(a_squares) + std::sqrt(n_squares));
  return m;
}

}  // namespace tapegrad
