// The worst of several errors.
#pragma once

#include <cmath>

namespace tapegrad::examples {

/// most = the larger of the two, where NaN counts as larger than everything.
inline void keep_larger(double& most, double x) {
  if (!(x <= most) && !std::isnan(most)) most = x;
}

}  // namespace tapegrad::examples
