// Comparing kernels with references computed in double.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/worse.h"

namespace tapegrad::test {

using Numbers = std::vector<double>;

// n numbers that T can hold, uniform on [low, high).
template <Scalar T>
Tensor<T> random(const Shape& shape, double low, double high, std::uint64_t seed) {
  return Rng(seed).uniform<T>(shape, low, high);
}

template <class T>
Numbers doubles(View<const T> x) {
  return {x.begin(), x.end()};
}

// The largest |got - (want, or start + want when adding)| / (1 + |want|); NaN when either is.
template <class T>
double error(View<const T> got, const Numbers& want, double start) {
  REQUIRE(got.size() == static_cast<Index>(want.size()));
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double e = std::abs(got.data()[i] - (start + want[i])) / (1 + std::abs(want[i]));
    worst = test::worse(worst, e);
  }
  return worst;
}

// Runs `loop` into a fresh and into a used target and compares with `want`.
template <class T>
void check_loop(const Numbers& want, const std::function<void(T* out, bool fresh)>& loop,
                double ulps = 16) {
  const double tolerance = ulps * std::numeric_limits<T>::epsilon();
  const Shape shape{static_cast<Index>(want.size())};
  Tensor<T> fresh(shape, std::numeric_limits<T>::quiet_NaN());
  loop(fresh.data(), true);
  CHECK(error<T>(fresh, want, 0) <= tolerance);
  Tensor<T> used(shape, 2);
  loop(used.data(), false);
  CHECK(error<T>(used, want, 2) <= tolerance);
}

}  // namespace tapegrad::test
