#include "optim/lint.h"

#include <cmath>

#include "optim/search.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

const std::vector<optim::Axis> lambda_axis{{"lambda", 1e-5, 1e-1}};

}  // namespace

TEST_CASE("history lint: a cost that rose is found, of the training set where that was measured") {
  optim::Measurement start, end;
  start.train.loss = start.validation.loss = 2;
  end.train.loss = end.validation.loss = 1;
  CHECK(optim::lint_history({}).empty());
  CHECK(optim::lint_history({start, end}).empty());
  CHECK(optim::lint_history({end, end}).empty());
  end.validation.loss = 3;
  CHECK(optim::lint_history({start, end}).empty());
  start.train.loss = end.train.loss = std::nan("");
  CHECK(
      optim::lint_history({start, end}) ==
      std::vector<std::string>{"the validation cost rose from 2 to 3: try a lower learning rate"});
  start.train.loss = 2;
  end.train.loss = 5e20;
  CHECK(optim::lint_history({start, end}) ==
        std::vector<std::string>{
            "the training cost rose from 2 to 5e+20: try a lower learning rate"});
}

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
