#include "autograd/gradient_metrics.h"

#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("gradient metrics: the bound of small entries is not small") {
  const double a[] = {1e-6}, n[] = {0};
  CHECK(gradient_metrics(a, n).share_small == 0);
}
