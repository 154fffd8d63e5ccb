#include "optim/schedule.h"

#include <cmath>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Message;

namespace {

/// The course's formula, written as it is stated: for 2 l n_s <= t <= (2 l + 1) n_s
/// lr_min + (t - 2 l n_s) / n_s (lr_max - lr_min), then back down.
long double triangle(Index t, const optim::CyclicLr& clr) {
  const Index n = clr.half_cycle;
  const Index l = t / (2 * n);
  const long double width = static_cast<long double>(clr.lr_max) - clr.lr_min;
  const auto ratio = [&](Index a) {
    return static_cast<long double>(a) / static_cast<long double>(n);
  };
  if (t <= (2 * l + 1) * n) return clr.lr_min + ratio(t - 2 * l * n) * width;
  return clr.lr_max - ratio(t - (2 * l + 1) * n) * width;
}

}  // namespace

TEST_CASE("cyclic rate: follows the formula at every step of three cycles") {
  for (const Index half_cycle : {1, 2, 3, 7, 500, 800, 980}) {
    const optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = half_cycle};
    double worst = 0;
    for (Index t = 0; t <= clr.steps(3); ++t) {
      const long double expected = triangle(t, clr);
      const auto error = static_cast<double>(std::abs(clr(t) - expected) / expected);
      if (!(error <= worst)) worst = error;
    }
    CHECK(!(worst > 1e-14));
  }
}

TEST_CASE("cyclic rate: is exact at the turning points") {
  const optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = 500};
  for (Index cycle = 0; cycle < 3; ++cycle) {
    CHECK(clr(1000 * cycle) == 1e-5);
    CHECK(clr(1000 * cycle + 500) == 1e-1);
    CHECK(clr(1000 * cycle + 499) < 1e-1);
    CHECK(clr(1000 * cycle + 501) < 1e-1);
    CHECK(clr(1000 * cycle + 999) > 1e-5);
    CHECK(clr(1000 * cycle + 1) > 1e-5);
    CHECK(clr(1000 * cycle + 499) == clr(1000 * cycle + 501));
  }
  CHECK(clr(3000) == 1e-5);
}

TEST_CASE("cyclic rate: the defaults are the course's, steps counts whole cycles") {
  const optim::CyclicLr clr;
  CHECK(clr.lr_min == 1e-5);
  CHECK(clr.lr_max == 1e-1);
  CHECK(clr.half_cycle == 500);
  CHECK(clr.steps(1) == 1000);
  CHECK(clr.steps(0) == 0);
  CHECK(optim::CyclicLr{.half_cycle = 800}.steps(3) == 4800);
}

TEST_CASE("cyclic rate: is a pure function of the step") {
  const optim::CyclicLr clr{.half_cycle = 3};
  const optim::Schedule schedule = clr;
  const double at_two = schedule(2);
  schedule(5);
  schedule(0);
  CHECK(schedule(2) == at_two);
}

TEST_CASE("schedules: impossible settings are refused") {
  CHECK_THROWS_MATCHES(optim::CyclicLr{.half_cycle = 0}(3), OptionError,
                       Message("CyclicLr: half_cycle is 0, but must be at least 1"));
  CHECK_THROWS_MATCHES((optim::StepDecay{.lr = 1, .every = 0}(3)), OptionError,
                       Message("StepDecay: every is 0, but must be at least 1"));
}

TEST_CASE("schedules: constant and step decay") {
  const optim::Constant constant{.lr = 0.25};
  CHECK(constant(0) == 0.25);
  CHECK(constant(1'000'000) == 0.25);
  const optim::StepDecay decay{.lr = 8, .factor = 0.5, .every = 10};
  CHECK(decay(0) == 8);
  CHECK(decay(9) == 8);
  CHECK(decay(10) == 4);
  CHECK(decay(19) == 4);
  CHECK(decay(20) == 2);
  CHECK(decay(60) == 0.125);
  const optim::StepDecay by_default{.lr = 1};
  CHECK(!(std::abs(by_default(2) - 0.01) > 1e-17));
}
