// The largest of many errors, when one may be NaN.
#pragma once

#include <cmath>

namespace tapegrad::test {

/// The larger one; NaN when either is, where std::max and every comparison would lose it.
template <class T>
T worse(T worst, T error) {
  return std::isnan(worst) || error <= worst ? worst : error;
}

}  // namespace tapegrad::test
