#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/worse.h"

using namespace tapegrad;
using Catch::Matchers::Message;
using Long = long double;

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

/// Walks from period to period, a step at a time, and asks `rate` for each step's learning rate.
template <class Rate>
std::vector<Long> walk(Index steps, Index first, Index growth, Rate rate) {
  std::vector<Long> rates;
  Index length = first;
  for (int period = 0; static_cast<Index>(rates.size()) < steps; ++period) {
    for (Index step = 0; step < length; ++step) {
      rates.push_back(rate(period, static_cast<Long>(step), static_cast<Long>(length)));
    }
    length *= growth;
  }
  return rates;
}

std::vector<Long> walk(Index steps, const optim::CyclicLr& clr) {
  Long amplitude = static_cast<Long>(clr.lr_max) - clr.lr_min;
  int last_period = 0;
  return walk(steps, 2 * clr.half_cycle, clr.growth, [&](int period, Long step, Long length) {
    if (period > last_period) amplitude *= clr.peak_decay;
    last_period = period;
    const Long from_end = std::min(step, length - step);
    return clr.lr_min + amplitude * from_end / (length / 2);
  });
}

std::vector<Long> walk(Index steps, const optim::CosineLr& cosine) {
  const Long width = static_cast<Long>(cosine.lr_max) - cosine.lr_min;
  return walk(steps, cosine.period, cosine.growth, [&](int, Long step, Long length) {
    return cosine.lr_min + width / 2 * (1 + std::cos(std::numbers::pi_v<Long> * step / length));
  });
}

/// The greatest difference of a schedule, `late` steps late, from a walk; relative to lr_max.
template <class Rates>
double error(const Rates& schedule, Index steps, Index late = 0) {
  const std::vector<Long> rates = walk(steps + late, schedule);
  double worst = 0;
  for (Index t = 0; t < steps; ++t) {
    const Long d = std::abs(schedule(t) - rates[static_cast<std::size_t>(t + late)]);
    const auto relative = static_cast<double>(d / schedule.lr_max);
    worst = test::worse(worst, relative);
  }
  return worst;
}

constexpr Index largest_index = std::numeric_limits<Index>::max();

}  // namespace

TEST_CASE("cyclic rate: follows the formula at every step of three cycles") {
  for (const Index half_cycle : {1, 2, 3, 7, 500, 800, 980}) {
    const optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = half_cycle};
    double worst = 0;
    for (Index t = 0; t <= clr.steps(3); ++t) {
      const long double expected = triangle(t, clr);
      const auto error = static_cast<double>(std::abs(clr(t) - expected) / expected);
      worst = test::worse(worst, error);
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

TEST_CASE("cyclic rate: decaying peaks and growing cycles follow a walk by hand") {
  for (const Index growth : {1, 2, 3}) {
    for (const double peak_decay : {1.0, 0.5, 0.9, 0.0}) {
      const optim::CyclicLr clr{.lr_min = 1e-3,
                                .lr_max = 0.3,
                                .half_cycle = 5,
                                .peak_decay = peak_decay,
                                .growth = growth};
      INFO("growth " << growth << ", decay " << peak_decay);
      CHECK(error(clr, 1000) <= 1e-15);
      CHECK(error(clr, 1000, 1) > 1e-6);
    }
  }
}

TEST_CASE("cyclic rate: another decay or growth is noticed") {
  const optim::CyclicLr clr{.half_cycle = 5, .peak_decay = 0.5, .growth = 2};
  const std::vector<Long> rates = walk(100, clr);
  const auto differs = [&](optim::CyclicLr other) {
    Long worst = 0;
    for (Index t = 0; t < 100; ++t)
      worst = test::worse(worst, std::abs(other(t) - rates[static_cast<std::size_t>(t)]));
    return worst > 1e-3L;
  };
  CHECK_FALSE(differs(clr));
  CHECK(differs({.half_cycle = 5, .peak_decay = 0.5}));
  CHECK(differs({.half_cycle = 5, .growth = 2}));
  CHECK(differs({.half_cycle = 5, .peak_decay = 0.25, .growth = 2}));
  CHECK(differs({.half_cycle = 5, .peak_decay = 0.5, .growth = 3}));
}

TEST_CASE("cyclic rate: without decay and growth the numbers are the plain formula's, bit by bit") {
  const optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = 7};
  for (Index t = 0; t < 1000; ++t) {
    const Index place = t % 14;
    const Index height = place <= 7 ? place : 14 - place;
    CHECK(clr(t) == 1e-5 + static_cast<double>(height) / 7 * (1e-1 - 1e-5));
  }
}

TEST_CASE("cyclic rate: the cycle of a step, and the steps of cycles, with growth") {
  for (const Index growth : {1, 2, 5}) {
    const optim::CyclicLr clr{.half_cycle = 3, .growth = growth};
    Index length = 6;
    Index start = 0;
    for (Index cycle = 0; cycle < 10; ++cycle) {
      CHECK(clr.steps(cycle) == start);
      CHECK(clr.cycle(start) == cycle);
      CHECK(clr.cycle(start + length - 1) == cycle);
      CHECK(clr.cycle(start + length) == cycle + 1);
      CHECK(clr(start) == clr.lr_min);
      CHECK(clr(start + length / 2) == clr.lr_max);
      start += length;
      length *= growth;
    }
  }
}

TEST_CASE("cyclic rate: nothing overflows") {
  const Index huge = Index{1} << 61;
  for (const Index half_cycle : {Index{1}, Index{500}, huge, largest_index}) {
    for (const Index growth : {Index{1}, Index{2}, Index{3}, largest_index}) {
      const optim::CyclicLr clr{.half_cycle = half_cycle, .growth = growth};
      for (const Index t : {largest_index, largest_index - 1, huge, huge - 1}) {
        const double rate = clr(t);
        CHECK((rate >= clr.lr_min && rate <= clr.lr_max));
        CHECK(clr.cycle(t) >= 0);
      }
    }
  }
  const optim::CyclicLr doubling{.half_cycle = 1, .growth = 2};
  CHECK(doubling.steps(62) == largest_index - 1);  // 2 (2^62 - 1)
  CHECK(doubling.cycle(largest_index - 2) == 61);
  CHECK(doubling.cycle(largest_index - 1) == 62);
  CHECK(doubling((Index{1} << 61) - 2 + (Index{1} << 60)) == doubling.lr_max);
  CHECK_THROWS_MATCHES(
      doubling.steps(63), OptionError,
      Message("CyclicLr: 63 periods, the first of 2 steps and each 2 times as long as the one "
              "before, are more steps than can be counted; take fewer"));
  CHECK_THROWS_AS(doubling.steps(largest_index), OptionError);
  CHECK(optim::CyclicLr{.half_cycle = 1}.steps(largest_index / 2) == largest_index - 1);
  CHECK_THROWS_AS(optim::CyclicLr{.half_cycle = 1}.steps(largest_index / 2 + 1), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.half_cycle = largest_index}.steps(1), OptionError);
  CHECK_THROWS_AS((optim::CyclicLr{.half_cycle = largest_index, .growth = 2}.steps(1)),
                  OptionError);
}

TEST_CASE("cyclic rate: a cycle longer than any step") {
  const Index growth = 10'000'000'000;
  const optim::CyclicLr clr{.lr_min = 0, .lr_max = 1, .half_cycle = 1, .growth = growth};
  const Index t = 1'000'000'000'000'000'000;  // in the third cycle, which rises for 10^20 steps
  CHECK(clr.cycle(t) == 2);
  CHECK(std::abs(clr(t) / ((1e18 - 2e10 - 2) / 1e20) - 1) <= 1e-14);
}

TEST_CASE("cosine rate: follows a walk by hand through its restarts") {
  for (const Index growth : {1, 2, 3}) {
    for (const Index period : {1, 2, 10}) {
      const optim::CosineLr cosine{
          .lr_min = 1e-4, .lr_max = 0.2, .period = period, .growth = growth};
      INFO("growth " << growth << ", period " << period);
      CHECK(error(cosine, 1000) <= 1e-15);
      if (period * growth > 1) CHECK(error(cosine, 1000, 1) > 1e-6);
    }
  }
  const optim::CosineLr restarted{.period = 4, .growth = 2};
  CHECK(restarted.steps(0) == 0);
  CHECK(restarted.steps(1) == 4);
  CHECK(restarted.steps(3) == 28);
  for (const Index start : {0, 4, 12, 28})
    CHECK(std::abs(restarted(start) / restarted.lr_max - 1) <= 1e-15);
  CHECK(restarted(3) < 0.02);
  CHECK(optim::CosineLr{.period = 7}.steps(3) == 21);
  CHECK_THROWS_AS(optim::CosineLr{.period = largest_index}.steps(2), OptionError);
  const optim::CosineLr to_zero{.lr_min = 0, .lr_max = 1, .period = 1'000'000};
  const double tiny = std::pow(std::numbers::pi / 2e6, 2);  // at the last step, to first order
  CHECK(std::abs(to_zero(999'999) / tiny - 1) <= 1e-9);
}

TEST_CASE("ramp: linear and geometric, from the first step to the last, then constant") {
  const optim::RampLr linear{.lr_min = 1, .lr_max = 3, .steps = 5};
  for (Index t = 0; t < 5; ++t) CHECK(linear(t) == 1 + static_cast<double>(t) / 2);
  const optim::RampLr geometric{.lr_min = 1, .lr_max = 16, .steps = 5, .exponential = true};
  for (Index t = 0; t < 5; ++t) CHECK(geometric(t) == std::ldexp(1.0, static_cast<int>(t)));
  for (const Index t : {Index{5}, Index{1000}, largest_index}) {
    CHECK(linear(t) == 3);
    CHECK(geometric(t) == 16);
  }
  const optim::RampLr wide{.lr_min = 1e-7, .lr_max = 10, .steps = 101, .exponential = true};
  CHECK(wide(0) == 1e-7);
  CHECK(wide(100) == 10);
  CHECK(wide(99) < 10);
  Long rate = 1e-7L;
  const Long factor = std::pow(1e8L, 0.01L);
  for (Index t = 0; t <= 100; ++t, rate *= factor) CHECK(std::abs(wide(t) / rate - 1) <= 1e-14L);
  // neither 0.3 + (0.9 - 0.3) nor 0.3 * (0.9 / 0.3) is 0.9
  CHECK(optim::RampLr{.lr_min = 0.3, .lr_max = 0.9}(999) == 0.9);
  CHECK(optim::RampLr{.lr_min = 0.3, .lr_max = 0.9, .exponential = true}(999) == 0.9);
}

TEST_CASE("schedules: settings without a meaning are refused") {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_MATCHES(
      (optim::CyclicLr{.lr_min = 0.2, .lr_max = 0.1}(0)), OptionError,
      Message("CyclicLr: lr_min is 0.2 and lr_max is 0.1, but 0 <= lr_min <= lr_max must hold"));
  CHECK_THROWS_MATCHES(optim::CyclicLr{.growth = 0}(0), OptionError,
                       Message("CyclicLr: growth is 0, but must be at least 1"));
  CHECK_THROWS_MATCHES(optim::CyclicLr{.peak_decay = 1.5}(0), OptionError,
                       Message("CyclicLr: peak_decay is 1.5, but must be in [0, 1]"));
  CHECK_THROWS_MATCHES(optim::CyclicLr{}(-1), OptionError,
                       Message("CyclicLr: step is -1, but must be at least 0"));
  CHECK_THROWS_AS(optim::CyclicLr{.peak_decay = nan}(0), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.peak_decay = -0.1}(0), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.lr_min = nan}(0), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.lr_max = nan}(0), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.lr_max = infinity}(0), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.lr_min = -0.1}(0), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{}.steps(-1), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{.growth = -2}.steps(1), OptionError);
  CHECK_THROWS_AS(optim::CyclicLr{}.cycle(-1), OptionError);

  CHECK_THROWS_MATCHES(optim::CosineLr{.period = 0}(0), OptionError,
                       Message("CosineLr: period is 0, but must be at least 1"));
  CHECK_THROWS_AS(optim::CosineLr{.growth = 0}(0), OptionError);
  CHECK_THROWS_AS(optim::CosineLr{.lr_max = nan}(0), OptionError);
  CHECK_THROWS_AS(optim::CosineLr{.lr_min = 1}(0), OptionError);
  CHECK_THROWS_AS(optim::CosineLr{}(-1), OptionError);
  CHECK_THROWS_AS(optim::CosineLr{}.steps(-1), OptionError);
  CHECK_THROWS_AS(optim::CosineLr{.period = -1}.steps(1), OptionError);

  CHECK_THROWS_MATCHES(optim::RampLr{.steps = 1}(0), OptionError,
                       Message("RampLr: steps is 1, but must be at least 2"));
  CHECK_THROWS_MATCHES((optim::RampLr{.lr_min = 0, .exponential = true}(0)), OptionError,
                       Message("RampLr: lr_min is 0, but an exponential ramp must start above 0"));
  CHECK(optim::RampLr{.lr_min = 0}(0) == 0);
  CHECK_THROWS_AS(optim::RampLr{.lr_min = nan}(0), OptionError);
  CHECK_THROWS_AS(optim::RampLr{.lr_min = 1}(0), OptionError);
  CHECK_THROWS_AS(optim::RampLr{}(-1), OptionError);

  CHECK_THROWS_MATCHES((optim::StepDecay{.lr = -1}(0)), OptionError,
                       Message("StepDecay: lr is -1, but must be at least 0 and finite"));
  CHECK_THROWS_AS((optim::StepDecay{.lr = 1, .factor = nan}(0)), OptionError);
  CHECK_THROWS_AS((optim::StepDecay{.lr = 1}(-1)), OptionError);
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
