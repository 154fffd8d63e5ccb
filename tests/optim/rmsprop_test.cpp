#include "optim/rmsprop.h"

#include <cmath>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/optim/golden_path.h"

using namespace tapegrad;
using namespace tapegrad::test;
using Catch::Matchers::Message;
using optim::RmsProp;
using optim::RmsPropOptions;

namespace {

struct Variant {
  const char* name;
  RmsPropOptions options;
};

constexpr double decay = 0.1;
const std::vector<Variant> variants = {
    {"rmsprop", {}},
    {"rmsprop_alpha", {.alpha = 0.7, .epsilon = 1e-3}},
    {"rmsprop_momentum", {.momentum = 0.8}},
    {"rmsprop_centered", {.centered = true}},
    {"rmsprop_both", {.momentum = 0.8, .centered = true}},
};

enum class Fault {
  none,
  alpha_swapped,  // with 1 - alpha
  gain_missing,
  epsilon_under_root,
  bias_corrected,
  no_decay,
  rate_in_velocity,
  mean_not_squared
};

/// The formulas of rmsprop.h, with a fault planted.
struct ByHand {
  Long operator()(Memory& memory, const Update& u) const {
    const Long alpha =
        fault == Fault::alpha_swapped ? 1 - Long(options.alpha) : Long(options.alpha);
    const Long gain = fault == Fault::gain_missing ? 1 : 1 - alpha;
    const Long g = u.g + (fault == Fault::no_decay ? 0 : u.decay * u.w);
    memory.a = alpha * memory.a + gain * g * g;
    memory.b = alpha * memory.b + gain * g;
    const Long correction = fault == Fault::bias_corrected ? 1 - std::pow(alpha, Long(u.t)) : 1;
    const Long mean = fault == Fault::mean_not_squared ? memory.b : memory.b * memory.b;
    const Long variance = memory.a / correction - (options.centered ? mean : 0);
    const Long direction = g / denominator(variance);
    if (fault == Fault::rate_in_velocity) {
      memory.c = options.momentum * memory.c + u.lr * direction;
      return u.w - memory.c;
    }
    memory.c = options.momentum * memory.c + direction;
    return u.w - u.lr * memory.c;
  }

  Long denominator(Long variance) const {
    const Long epsilon = options.epsilon;
    return fault == Fault::epsilon_under_root ? std::sqrt(variance + epsilon)
                                              : std::sqrt(variance) + epsilon;
  }

  RmsPropOptions options;
  Fault fault = Fault::none;
};

double hand_error(const GoldenPath& golden, const Variant& v, Fault fault) {
  return golden.error(golden.by_hand(ByHand{v.options, fault}, decay), v.name);
}

}  // namespace

TEST_CASE("rmsprop: every variant follows PyTorch's steps, and so do its formulas by hand") {
  const GoldenPath golden;
  for (const Variant& v : variants) {
    INFO(v.name);
    CHECK(golden.error(golden.trained<RmsProp<double>>(v.options, decay), v.name) <=
          path_tolerance);
    CHECK(hand_error(golden, v, Fault::none) <= path_tolerance);
  }
}

TEST_CASE("rmsprop: a planted fault is noticed") {
  const GoldenPath golden;
  for (const Variant& v : variants) {
    for (const Fault fault : {Fault::alpha_swapped, Fault::gain_missing, Fault::epsilon_under_root,
                              Fault::bias_corrected, Fault::no_decay}) {
      INFO(v.name << " fault " << static_cast<int>(fault));
      CHECK_FALSE(hand_error(golden, v, fault) <= fault_size);
    }
  }
  CHECK_FALSE(hand_error(golden, variants[2], Fault::rate_in_velocity) <= fault_size);
  CHECK_FALSE(hand_error(golden, variants[3], Fault::mean_not_squared) <= fault_size);
}

TEST_CASE("rmsprop: no variant follows the path of another") {
  const GoldenPath golden;
  for (const Variant& v : variants) {
    const Tensor<double> path = golden.trained<RmsProp<double>>(v.options, decay);
    for (const Variant& other : variants) {
      if (&v != &other) CHECK(golden.error(path, other.name) > fault_size);
    }
  }
}

TEST_CASE("rmsprop: some steps by hand") {
  const auto after = [](int steps, RmsPropOptions options, double weight_decay = 0) {
    options.alpha = 0.75;
    return after_steps<RmsProp<double>>(steps, 4.0, 0.5, options, weight_decay);
  };
  const double root = std::sqrt(0.25 + 0.75 * 0.25);  // of the second average, over the gradient
  CHECK(std::abs(after(1, {}) - 1) <= 1e-7);          // the average: 4
  CHECK(std::abs(after(2, {}) - (1 - 0.5 / root)) <= 1e-7);
  CHECK(std::abs(after(2, {.momentum = 0.5}) - (1 - 0.5 * (1 + 1 / root))) <= 1e-7);
  CHECK(std::abs(after(1, {.centered = true}) - (2 - 0.5 / std::sqrt(0.1875))) <= 1e-7);
  CHECK(std::abs(after(1, {.epsilon = 2}) - 1.5) <= 1e-15);
  CHECK(std::abs(after(1, {.epsilon = 1, .clip = {.value = 2}}) - 1.5) <= 1e-15);
  CHECK(std::abs(after(1, {.epsilon = 4}, 2) - 1.5) <= 1e-15);  // 8 / (4 + 4)
  CHECK(after_steps<RmsProp<double>>(3, 0.0, 0.5, RmsPropOptions{}) == 2);
}

TEST_CASE("rmsprop: a variance that rounds below zero stays finite") {
  const RmsPropOptions options{.alpha = 0.5, .epsilon = 1, .centered = true};
  for (const float gradient : {0.1F, 0.3F, 0.7F, 1.1F}) {
    CHECK(std::isfinite(after_steps<RmsProp<float>>(200, gradient, 1e-3, options)));
  }
  CHECK(std::isnan(after_steps<RmsProp<float>>(1, std::nanf(""), 1e-3, options)));
}

TEST_CASE("rmsprop: float and double take the same steps") {
  const RmsPropOptions options{.momentum = 0.9, .centered = true, .clip = {.norm = 1}};
  const double full = after_steps<RmsProp<double>>(50, 3.0, 1e-3, options, 0.1);
  const float single = after_steps<RmsProp<float>>(50, 3.0F, 1e-3, options, 0.1);
  CHECK(std::abs(single - full) <= 1e-5 * std::abs(full));
}

TEST_CASE("rmsprop: impossible settings are refused") {
  Parameter<double> p(Tensor<double>({1}, 1));
  ParameterList<double> all;
  all.add("p", p);
  const auto make = [&](RmsPropOptions options) {
    RmsProp<double>(optim::one_group(all), optim::Constant{0.1}, options);
  };
  CHECK_NOTHROW(make({.alpha = 0}));
  CHECK_THROWS_MATCHES(make({.alpha = 1}), OptionError,
                       Message("RmsProp: alpha is 1, but must be in [0, 1)"));
  CHECK_THROWS_MATCHES(make({.momentum = 1}), OptionError,
                       Message("RmsProp: momentum is 1, but must be in [0, 1)"));
  CHECK_THROWS_MATCHES(make({.epsilon = -1}), OptionError,
                       Message("RmsProp: epsilon is -1, but must be finite and above 0"));
  CHECK_THROWS_AS(make({.alpha = std::nan("")}), OptionError);
  CHECK_THROWS_AS(make({.momentum = std::nan("")}), OptionError);
  CHECK_THROWS_AS(make({.clip = {.norm = std::nan("")}}), OptionError);
}
