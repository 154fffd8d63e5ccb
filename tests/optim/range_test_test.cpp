#include "optim/range_test.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

/// The loss 1 + 1/2 sum w^2 of two weights: gradient descent diverges at rates above 2.
struct Bowl {
  Bowl() { all.add("w", w); }

  optim::Trainer<double>::Loss loss() {
    return [this](Tape<double>& tape) { return sum(square(tape.parameter(w))) * 0.5 + 1; };
  }

  Parameter<double> w{Tensor<double>(Shape{2}, 1)};
  ParameterList<double> all;
};

}  // namespace

TEST_CASE("range test: finds where training begins and where it breaks, and leaves no trace") {
  Bowl bowl;
  const auto test = optim::lr_range_test<double>(
      optim::one_group(bowl.all), bowl.loss(), {},
      {.lr_min = 1e-3, .lr_max = 100, .steps = 60, .measurements = 60});
  CHECK(bowl.w.value().data()[0] == 1);
  CHECK(test.diverged);
  REQUIRE(test.points.size() > 10);
  CHECK(test.points.back().lr > 2);
  CHECK(test.points.back().lr < 20);
  CHECK(test.suggested_max < 10);  // growth from almost nothing takes a while to be seen
  CHECK(test.suggested_min < test.suggested_max);
  CHECK(test.suggested_min > 1e-3);
  for (const auto& p : test.points) CHECK(std::isnan(p.accuracy));
  CHECK(optim::to_csv(test).starts_with("lr,loss,accuracy\n"));
}

TEST_CASE("range test: below the rate that breaks it, it runs to the end and measures") {
  Bowl bowl;
  int measured = 0;
  const auto test = optim::lr_range_test<double>(
      optim::one_group(bowl.all), bowl.loss(), [&] { return ++measured * 0.01; },
      {.lr_min = 1e-4, .lr_max = 0.5, .steps = 100, .exponential = false, .measurements = 10});
  CHECK_FALSE(test.diverged);
  CHECK(test.points.size() == 10);
  CHECK(measured == 10);
  CHECK(std::abs(test.points.back().lr - 0.5) < 1e-12);
  CHECK(test.points.back().accuracy == 0.1);
}

TEST_CASE("range test: bad options are refused") {
  Bowl bowl;
  const auto run = [&](optim::RangeTestOptions options) {
    return optim::lr_range_test<double>(optim::one_group(bowl.all), bowl.loss(), {}, options);
  };
  CHECK_THROWS_AS(run({.steps = 10, .measurements = 11}), OptionError);
  CHECK_THROWS_AS(run({.measurements = 1}), OptionError);
  CHECK_THROWS_AS(run({.stop_at = 1}), OptionError);
  CHECK_THROWS_AS(run({.lr_min = 2, .lr_max = 1}), OptionError);
}

TEST_CASE("range test: leaves no gradient behind that a later step would take for its own") {
  Bowl bowl;
  const auto groups = optim::one_group(bowl.all);
  const auto test = optim::lr_range_test<double>(
      groups, bowl.loss(), {}, {.lr_min = 1e-3, .lr_max = 100, .steps = 60, .measurements = 60});
  REQUIRE(test.diverged);
  CHECK_FALSE(bowl.w.has_new_gradient());
  optim::Sgd<double> sgd(groups, optim::Constant{0.1});
  CHECK_THROWS_AS(sgd.step(), GradError);
}

TEST_CASE("range test: a negative loss is no divergence, an infinite one is") {
  Bowl bowl;
  const auto groups = optim::one_group(bowl.all);
  const optim::RangeTestOptions options{
      .lr_min = 1e-3, .lr_max = 0.5, .steps = 40, .measurements = 40};
  const auto below = [&](Tape<double>& tape) { return bowl.loss()(tape) - 10.0; };
  CHECK_FALSE(optim::lr_range_test<double>(groups, below, {}, options).diverged);
  const auto infinite = [&](Tape<double>& tape) {
    return bowl.loss()(tape) + std::numeric_limits<double>::infinity();
  };
  CHECK_THROWS_WITH(optim::lr_range_test<double>(groups, infinite, {}, options),
                    Catch::Matchers::StartsWith("range test: the loss grew from the first steps"));
}

TEST_CASE("range test: where the loss does not fall there is no range to suggest") {
  Bowl bowl;
  bowl.w.write()[0] = bowl.w.write()[1] = 0;
  const auto flat = optim::lr_range_test<double>(optim::one_group(bowl.all), bowl.loss(), {},
                                                 {.steps = 20, .measurements = 20});
  CHECK_FALSE(flat.found());
  CHECK(flat.suggested_max == 0);
  Bowl other;
  const auto short_one = optim::lr_range_test<double>(
      optim::one_group(other.all), other.loss(), {},
      {.lr_min = 0.1, .lr_max = 0.15, .steps = 20, .measurements = 20});
  CHECK_FALSE(short_one.found());
}

TEST_CASE("range test: its last point is where it diverged") {
  Parameter<double> w(Tensor<double>(Shape{2}, 1));
  ParameterList<double> all;
  all.add("w", w);
  const auto loss = [&](Tape<double>& tape) { return sum(square(tape.parameter(w))) * 0.5 + 1; };
  const auto t = optim::lr_range_test<double>(
      optim::one_group(all), loss, {},
      {.lr_min = 1e-3, .lr_max = 100, .steps = 60, .measurements = 10, .stop_at = 4});
  REQUIRE(t.diverged);
  double lowest = t.points[0].loss;
  for (const auto& p : t.points) lowest = std::min(lowest, p.loss);
  CHECK(t.points.back().loss > 4 * lowest);
}
