#include "tests/worse.h"

#include <algorithm>
#include <limits>

#include "tests/catch.h"

using tapegrad::test::worse;

TEST_CASE("worse: the larger error, and NaN wherever it stands") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(worse(1.0, 2.0) == 2);
  CHECK(worse(2.0, 1.0) == 2);
  CHECK(std::isnan(worse(nan, 1.0)));
  CHECK(std::isnan(worse(1.0, nan)));
  CHECK(!std::isnan(std::max(1.0, nan)));  // what it is for
}
