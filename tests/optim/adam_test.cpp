#include "optim/adam.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/optim/golden_path.h"

using namespace tapegrad;
using namespace tapegrad::test;
using Catch::Matchers::Message;
using optim::Adam;
using optim::AdamOptions;

namespace {

struct Variant {
  const char* name;
  AdamOptions options;
  double decay;
};

const std::vector<Variant> variants = {
    {"adam", {}, 0},
    {"adam_decay", {}, 0.1},
    {"adam_betas", {.beta1 = 0.6, .beta2 = 0.95, .epsilon = 1e-3}, 0.1},
    {"adamw", {.decoupled = true}, 0.1},
};

/// Mistakes that implementations of Adam make.
enum class Fault {
  none,
  no_correction,
  correction_starts_at_zero,
  correction_one_late,
  only_first_corrected,
  corrections_swapped,
  betas_swapped,
  gain_missing,
  epsilon_under_root,
  epsilon_before_correction,
  decay_twice,
  decay_after_update,
  decay_without_lr,
};

/// The formulas of adam.h, with a fault planted.
struct ByHand {
  Long operator()(Memory& memory, const Update& u) const {
    const bool swapped = fault == Fault::betas_swapped;
    const Long beta1 = swapped ? options.beta2 : options.beta1;
    const Long beta2 = swapped ? options.beta1 : options.beta2;
    const bool coupled = !options.decoupled || fault == Fault::decay_twice;
    const bool shrinks = options.decoupled || fault == Fault::decay_twice;
    const Long g = u.g + (coupled ? u.decay * u.w : 0);
    memory.a = beta1 * memory.a + (fault == Fault::gain_missing ? 1 : 1 - beta1) * g;
    memory.b = beta2 * memory.b + (1 - beta2) * g * g;
    const Long move = u.lr * memory.a / correction1(beta1, beta2, u.t) /
                      denominator(memory.b, correction2(beta1, beta2, u.t));
    if (!shrinks) return u.w - move;
    const Long factor = 1 - (fault == Fault::decay_without_lr ? 1 : u.lr) * u.decay;
    return fault == Fault::decay_after_update ? factor * (u.w - move) : factor * u.w - move;
  }

  Long correction1(Long beta1, Long beta2, int t) const {
    if (fault == Fault::no_correction) return 1;
    return 1 - std::pow(fault == Fault::corrections_swapped ? beta2 : beta1, exponent(t));
  }

  Long correction2(Long beta1, Long beta2, int t) const {
    if (fault == Fault::no_correction || fault == Fault::only_first_corrected) return 1;
    return 1 - std::pow(fault == Fault::corrections_swapped ? beta1 : beta2, exponent(t));
  }

  Long exponent(int t) const {
    if (fault == Fault::correction_starts_at_zero) return std::max(t - 1, 1);
    return fault == Fault::correction_one_late ? t + 1 : t;
  }

  Long denominator(Long square, Long correction) const {
    const Long epsilon = options.epsilon;
    if (fault == Fault::epsilon_under_root) return std::sqrt(square / correction + epsilon);
    if (fault == Fault::epsilon_before_correction) {
      return (std::sqrt(square) + epsilon) / std::sqrt(correction);
    }
    return std::sqrt(square / correction) + epsilon;
  }

  AdamOptions options;
  Fault fault = Fault::none;
};

}  // namespace

TEST_CASE("adam: every variant follows PyTorch's steps, and so do its formulas by hand") {
  const GoldenPath golden;
  for (const Variant& v : variants) {
    INFO(v.name);
    CHECK(golden.error(golden.trained<Adam<double>>(v.options, v.decay), v.name) <= path_tolerance);
    CHECK(golden.error(golden.by_hand(ByHand{v.options}, v.decay), v.name) <= path_tolerance);
  }
}

TEST_CASE("adam: a planted fault is noticed") {
  const GoldenPath golden;
  const auto error = [&](const Variant& v, Fault fault) {
    return golden.error(golden.by_hand(ByHand{v.options, fault}, v.decay), v.name);
  };
  for (const Fault fault :
       {Fault::no_correction, Fault::correction_starts_at_zero, Fault::correction_one_late,
        Fault::only_first_corrected, Fault::corrections_swapped, Fault::betas_swapped,
        Fault::gain_missing, Fault::epsilon_under_root, Fault::epsilon_before_correction}) {
    INFO("fault " << static_cast<int>(fault));
    for (const Variant& v : variants) CHECK(error(v, fault) > fault_size);
  }
  for (const Fault fault :
       {Fault::decay_twice, Fault::decay_after_update, Fault::decay_without_lr}) {
    INFO("fault " << static_cast<int>(fault));
    CHECK(error(variants.back(), fault) > fault_size);
  }
}

TEST_CASE("adam: no variant follows the path of another, nor one with an option off") {
  const GoldenPath golden;
  const auto error = [&](AdamOptions options, double decay, const char* name) {
    return golden.error(golden.trained<Adam<double>>(options, decay), name);
  };
  for (const Variant& v : variants) {
    for (const Variant& other : variants) {
      if (&v != &other) CHECK(error(v.options, v.decay, other.name) > fault_size);
    }
    CHECK(error({.beta1 = v.options.beta2, .beta2 = v.options.beta1}, v.decay, v.name) >
          fault_size);
    AdamOptions other_decay = v.options;
    other_decay.decoupled = !other_decay.decoupled;
    if (v.decay > 0) CHECK(error(other_decay, v.decay, v.name) > fault_size);
    CHECK(error(v.options, v.decay + 1e-6, v.name) > fault_size);
  }
}

TEST_CASE("adam: the first step is the learning rate, whatever the gradient's size") {
  for (const double gradient : {1e-3, 1.0, 1e6, -1e6}) {
    const double w = after_steps<Adam<double>>(1, gradient, 0.25, AdamOptions{});
    const double expected = gradient > 0 ? 1.75 : 2.25;
    CHECK(std::abs(w - expected) <= 1e-5);
  }
  CHECK(after_steps<Adam<double>>(3, 0.0, 0.25, AdamOptions{}) == 2);
}

TEST_CASE("adam: decoupled decay shrinks, coupled decay turns into a step of its own") {
  const AdamOptions decoupled{.decoupled = true};
  CHECK(after_steps<Adam<double>>(2, 0.0, 0.5, decoupled, 0.5) == 2 * 0.75 * 0.75);
  CHECK(std::abs(after_steps<Adam<double>>(1, 0.0, 0.5, AdamOptions{}, 0.5) - 1.5) <= 1e-7);
}

TEST_CASE("adam: gradients are clipped before they are averaged") {
  const auto after = [](AdamOptions options) {
    options.epsilon = 1;  // so that the size of a gradient shows
    return after_steps<Adam<double>>(1, 4.0, 0.5, options);
  };
  CHECK(std::abs(after({}) - (2 - 0.5 * 4 / 5)) <= 1e-14);
  CHECK(std::abs(after({.clip = {.norm = 1}}) - (2 - 0.5 / 2)) <= 1e-14);
  CHECK(std::abs(after({.clip = {.value = 3}}) - (2 - 0.5 * 3 / 4)) <= 1e-14);
}

TEST_CASE("adam: frozen parameters stay, stored gradients stay as they were") {
  Parameter<double> trained(Tensor<double>({3}, 1));
  Parameter<double> frozen(Tensor<double>({3}, 1));
  ParameterList<double> all;
  all.add("trained", trained).add("frozen", frozen);
  Adam<double> adam({{all, 0.1}}, optim::Constant{0.1}, {.decoupled = true});
  const auto backward = [&] {
    Tape<double> tape;
    tape.backward(sum(square(tape.parameter(trained))) + sum(square(tape.parameter(frozen))));
  };
  backward();
  adam.step();
  const Tensor<double> before(frozen.value());
  frozen.freeze();
  backward();
  const Tensor<double> gradient(trained.gradient());
  const Tensor<double> weights(trained.value());
  adam.step();
  CHECK(Tensor<double>(frozen.value()) == before);
  CHECK_FALSE(Tensor<double>(trained.value()) == weights);
  CHECK(std::memcmp(gradient.data(), trained.gradient().data(), 24) == 0);
}

TEST_CASE("adam: float and double take the same steps") {
  for (const AdamOptions options : {AdamOptions{}, AdamOptions{.decoupled = true}}) {
    const double full = after_steps<Adam<double>>(100, 3.0, 0.01, options, 0.1);
    const float single = after_steps<Adam<float>>(100, 3.0F, 0.01, options, 0.1);
    CHECK(std::abs(single - full) <= 1e-5 * std::abs(full));
  }
}

TEST_CASE("adam: float keeps the digits of 1 - beta") {
  // 1 - 0.9999f is too large by 2e-4 of itself, which would show as 1e-4 in the weight
  const AdamOptions slow{.beta2 = 0.9999};
  const double full = after_steps<Adam<double>>(15, 3.0, 0.1, slow);
  const float single = after_steps<Adam<float>>(15, 3.0F, 0.1, slow);
  CHECK(std::abs(single - full) <= 2e-6);
}

TEST_CASE("adam: impossible settings are refused") {
  Parameter<double> p(Tensor<double>({1}, 1));
  ParameterList<double> all;
  all.add("p", p);
  const auto make = [&](AdamOptions options) {
    Adam<double>(optim::one_group(all), optim::Constant{0.1}, options);
  };
  const double nan = std::nan("");
  CHECK_NOTHROW(make({.beta1 = 0, .beta2 = 0}));
  CHECK_THROWS_MATCHES(make({.beta1 = 1}), OptionError,
                       Message("Adam: beta1 is 1, but must be in [0, 1)"));
  CHECK_THROWS_MATCHES(make({.beta2 = -0.5}), OptionError,
                       Message("Adam: beta2 is -0.5, but must be in [0, 1)"));
  CHECK_THROWS_MATCHES(make({.epsilon = 0}), OptionError,
                       Message("Adam: epsilon is 0, but must be finite and above 0"));
  CHECK_THROWS_AS(make({.beta1 = nan}), OptionError);
  CHECK_THROWS_AS(make({.beta2 = nan}), OptionError);
  CHECK_THROWS_AS(make({.epsilon = nan}), OptionError);
  CHECK_THROWS_AS(make({.epsilon = -1}), OptionError);
  CHECK_THROWS_AS(make({.clip = {.norm = -1}}), OptionError);
  CHECK_NOTHROW(make({.epsilon = 1e-50}));
  Parameter<float> single(Tensor<float>({1}, 1));
  ParameterList<float> singles;
  singles.add("p", single);
  CHECK_THROWS_MATCHES(
      Adam<float>(optim::one_group(singles), optim::Constant{0.1}, {.epsilon = 1e-50}), OptionError,
      Message("Adam: epsilon is 1e-50, but must be finite and above 0"));
}
