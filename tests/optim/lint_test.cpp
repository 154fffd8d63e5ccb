#include "optim/lint.h"

#include <cmath>

#include "optim/search.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

const std::vector<optim::Axis> lambda_axis{{"lambda", 1e-5, 1e-1}};

}  // namespace

TEST_CASE("search lint: rows without values say nothing") {
  std::vector<optim::SearchRow> rows(5);
  for (Index i = 0; i < 5; ++i) rows[static_cast<std::size_t>(i)].mean = 0.5;
  CHECK(optim::lint_search(lambda_axis[0], rows).empty());
}

TEST_CASE("search lint: a search that failed says nothing about lambda") {
  const auto rows = optim::search(optim::grid(lambda_axis, 8),
                                  [](const optim::Trial&) { return std::nan(""); }, {});
  CHECK(optim::lint_search(lambda_axis[0], rows).empty());
}
