// Peers that compute something else are noticed.
#include "bench/support/agreement.h"

#include <limits>

#include "tests/catch.h"

namespace {

using Catch::Matchers::Contains;
using tapegrad::bench::Loss;
using tapegrad::bench::require_agreement;

const Loss ours{"ours", 2.0};

}  // namespace

TEST_CASE("bench agreement: losses that differ by rounding agree") {
  CHECK_NOTHROW(require_agreement(ours, {ours, {"a", 2.0001}, {"b", 1.9999}}, 1e-3));
  CHECK_NOTHROW(require_agreement(ours, {}, 1e-3));
}

TEST_CASE("bench agreement: a loss that is further off is named with both numbers") {
  CHECK_THROWS_WITH(
      require_agreement(ours, {ours, {"a", 2.0001}, {"b", 1.995}}, 1e-3),
      Contains("b has loss 1.9950 where ours has 2.0000, relative difference 2.5e-03"));
}

TEST_CASE("bench agreement: what is not a number never agrees") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(require_agreement(ours, {{"a", nan}}, 1e-3), Contains("a has loss nan"));
  CHECK_THROWS_WITH(require_agreement({"ours", nan}, {ours}, 1e-3), Contains("ours has nan"));
}
