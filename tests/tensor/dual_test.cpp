#include "tensor/dual.h"

#include <cmath>
#include <functional>
#include <vector>

#include "tests/catch.h"

using namespace tapegrad;

namespace {

// What a user's templated code does.
template <class T>
T mixture(T x) {
  using std::abs;
  using std::cos;
  using std::exp;
  using std::log;
  using std::pow;
  using std::sin;
  using std::sqrt;
  using std::tanh;
  return exp(x) * log(x) + sqrt(x) / pow(x, 3.0) - sin(x) * cos(x) + tanh(x) * abs(-x);
}

}  // namespace

TEST_CASE("dual: functions called by their standard names carry their derivative along") {
  for (const double x : {0.3, 1.0, 2.5}) {
    const double h = 1e-5;
    const double slope = (mixture(x + h) - mixture(x - h)) / (2 * h);
    const Dual y = mixture(Dual(x, 2));
    CHECK(std::abs(y.value - mixture(x)) <= 1e-14 * std::abs(y.value));
    CHECK(std::abs(y.tangent - 2 * slope) <= 1e-8 * std::abs(slope));
  }
  CHECK(pow(Dual(0, 1), 0).tangent == 0);
  CHECK(abs(Dual(-3, 1)).tangent == -1);
}
