#include "optim/adagrad.h"

#include <cmath>
#include <limits>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/optim/golden_path.h"

using namespace tapegrad;
using namespace tapegrad::test;
using Catch::Matchers::Message;
using optim::AdaGrad;
using optim::AdaGradOptions;

namespace {

struct Variant {
  const char* name;
  AdaGradOptions options;
};

constexpr double decay = 0.1;
const std::vector<Variant> variants = {
    {"adagrad", {}},
    {"adagrad_initial", {.epsilon = 1e-3, .initial = 0.3}},
};

enum class Fault { none, divides_before_adding, averages, no_root, epsilon_under_root, no_decay };

/// The formula of adagrad.h, with a fault planted. The memory starts as the initial sum.
struct ByHand {
  Long operator()(Memory& memory, const Update& u) const {
    const Long g = u.g + (fault == Fault::no_decay ? 0 : u.decay * u.w);
    const Long before = memory.a;
    memory.a += g * g;
    const Long sum = fault == Fault::divides_before_adding ? before : memory.a;
    return u.w - u.lr * g / denominator(fault == Fault::averages ? sum / u.t : sum);
  }

  Long denominator(Long sum) const {
    const Long epsilon = options.epsilon;
    if (fault == Fault::no_root) return sum + epsilon;
    if (fault == Fault::epsilon_under_root) return std::sqrt(sum + epsilon);
    return std::sqrt(sum) + epsilon;
  }

  AdaGradOptions options;
  Fault fault = Fault::none;
};

double hand_error(const GoldenPath& golden, const Variant& v, Fault fault) {
  const Memory start{.a = v.options.initial};
  return golden.error(golden.by_hand(ByHand{v.options, fault}, decay, start), v.name);
}

}  // namespace

TEST_CASE("adagrad: every variant follows PyTorch's steps, and so does its formula by hand") {
  const GoldenPath golden;
  for (const Variant& v : variants) {
    INFO(v.name);
    CHECK(golden.error(golden.trained<AdaGrad<double>>(v.options, decay), v.name) <=
          path_tolerance);
    CHECK(hand_error(golden, v, Fault::none) <= path_tolerance);
  }
}

TEST_CASE("adagrad: a planted fault is noticed") {
  const GoldenPath golden;
  for (const Fault fault : {Fault::divides_before_adding, Fault::averages, Fault::no_root,
                            Fault::epsilon_under_root, Fault::no_decay}) {
    INFO("fault " << static_cast<int>(fault));
    CHECK(hand_error(golden, variants.back(), fault) > fault_size);
  }
  const auto error = [&](AdaGradOptions options) {
    return golden.error(golden.trained<AdaGrad<double>>(options, decay), "adagrad_initial");
  };
  CHECK(error({}) > fault_size);
  CHECK(error({.epsilon = 1e-3}) > fault_size);
  CHECK(error({.initial = 0.3}) > fault_size);
}

TEST_CASE("adagrad: some steps by hand") {
  const auto after = [](int steps, AdaGradOptions options, double weight_decay = 0) {
    return after_steps<AdaGrad<double>>(steps, 4.0, 0.5, options, weight_decay);
  };
  CHECK(std::abs(after(1, {}) - 1.5) <= 1e-10);
  CHECK(std::abs(after(2, {}) - (1.5 - 0.5 / std::sqrt(2.0))) <= 1e-10);
  CHECK(std::abs(after(1, {.initial = 9}) - (2 - 0.5 * 4 / 5)) <= 1e-10);
  CHECK(std::abs(after(1, {.initial = 9, .clip = {.value = 1}}) - (2 - 0.5 / std::sqrt(10.0))) <=
        1e-10);
  CHECK(std::abs(after(1, {.initial = 9}, 2) - (2 - 0.5 * 8 / std::sqrt(73.0))) <= 1e-10);
  CHECK(after_steps<AdaGrad<double>>(3, 0.0, 0.5, AdaGradOptions{}) == 2);
}

TEST_CASE("adagrad: float and double take the same steps") {
  const double full = after_steps<AdaGrad<double>>(100, 3.0, 0.05, AdaGradOptions{}, 0.1);
  const float single = after_steps<AdaGrad<float>>(100, 3.0F, 0.05, AdaGradOptions{}, 0.1);
  CHECK(std::abs(single - full) <= 1e-5 * std::abs(full));
}

TEST_CASE("adagrad: impossible settings are refused") {
  Parameter<float> p(Tensor<float>({1}, 1));
  ParameterList<float> all;
  all.add("p", p);
  const auto make = [&](AdaGradOptions options) {
    AdaGrad<float>(optim::one_group(all), optim::Constant{0.1}, options);
  };
  CHECK_NOTHROW(make({}));
  CHECK_THROWS_MATCHES(make({.epsilon = 0}), OptionError,
                       Message("AdaGrad: epsilon is 0, but must be finite and above 0"));
  CHECK_THROWS_MATCHES(make({.initial = -1}), OptionError,
                       Message("AdaGrad: initial is -1, but must be at least 0 and finite"));
  CHECK_THROWS_AS(make({.epsilon = std::nan("")}), OptionError);
  CHECK_THROWS_AS(make({.initial = std::nan("")}), OptionError);
  CHECK_THROWS_AS(make({.initial = std::numeric_limits<double>::infinity()}), OptionError);
  CHECK_THROWS_AS(make({.clip = {.value = -1}}), OptionError);
}

TEST_CASE("adagrad: a start that is infinite as a float is refused") {
  Parameter<float> w(Tensor<float>({1}, 1));
  ParameterList<float> all;
  all.add("w", w);
  CHECK_THROWS_AS(
      optim::AdaGrad<float>(optim::one_group(all), optim::Constant{0.1}, {.initial = 1e39}),
      OptionError);
}
