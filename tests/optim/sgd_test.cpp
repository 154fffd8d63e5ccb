#include "optim/sgd.h"

#include <cmath>
#include <cstring>

#include "autograd/gradcheck_report.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/worse.h"

using namespace tapegrad;
using Catch::Matchers::Message;

namespace {

using Long = long double;

/// Two parameters in two groups under a loss whose gradient is easy: sum of c (w - m)^2 / 2.
struct Problem {
  Problem() {
    Rng rng(9);
    curvature = rng.uniform<double>({12}, 0.1, 1.5);
    target = rng.normal<double>({12}, 1);
    ParameterList<double> first;
    first.add("matrix", matrix);
    ParameterList<double> second;
    second.add("bias", bias);
    groups = {{first, 0.05, 1}, {second, 0.002, 0.5}};
    const Tensor<double> start = rng.normal<double>({12}, 1);
    for (Index i = 0; i < 12; ++i) number(i) = start[i];
  }

  double& number(Index i) { return i < 8 ? matrix.write()[i] : bias.write()[i - 8]; }

  void backward() {
    Tape<double> tape;
    const auto part = [&](Parameter<double>& p, Index from) {
      const Var<double> m = tape.constant(View<const double>(target.data() + from, p.shape()));
      const Var<double> c = tape.constant(View<const double>(curvature.data() + from, p.shape()));
      return sum(c * square(tape.parameter(p) - m)) / 2;
    };
    tape.backward(part(matrix, 0) + part(bias, 8));
  }

  Parameter<double> matrix{Tensor<double>({2, 4})};
  Parameter<double> bias{Tensor<double>({4})};
  Tensor<double> curvature, target;
  optim::ParamGroups<double> groups;
};

/// The same training in long double, by the formulas of sgd.h.
struct Reference {
  explicit Reference(Problem& p) {
    for (Index i = 0; i < 12; ++i) {
      w.push_back(p.number(i));
      curvature.push_back(p.curvature[i]);
      target.push_back(p.target[i]);
    }
  }

  void step(Long lr, const optim::SgdOptions& options) {
    std::vector<Long> g(12);
    Long squares = 0;
    for (std::size_t i = 0; i < 12; ++i) {
      g[i] = curvature[i] * (w[i] - target[i]);
      squares += g[i] * g[i];
    }
    const Long norm = std::sqrt(squares);
    for (std::size_t i = 0; i < 12; ++i) {
      if (options.clip.norm > 0 && norm > options.clip.norm) g[i] *= options.clip.norm / norm;
      const Long value = options.clip.value;
      if (value > 0) g[i] = std::max(-value, std::min(value, g[i]));
      g[i] += Long(i < 8 ? 0.05 : 0.002) * w[i];
      v[i] = options.momentum * v[i] + g[i];
      const Long move = options.nesterov ? g[i] + options.momentum * v[i] : v[i];
      w[i] -= lr * Long(i < 8 ? 1 : 0.5) * move;
    }
  }

  std::vector<Long> w, curvature, target;
  std::vector<Long> v = std::vector<Long>(12);
};

/// max |w - reference| / max |reference| after so many steps of both.
double error_after(Index steps, const optim::SgdOptions& options,
                   const optim::SgdOptions& reference_options) {
  Problem problem;
  Reference reference(problem);
  const optim::CyclicLr clr{.lr_min = 1e-3, .lr_max = 5e-2, .half_cycle = 50};
  optim::Sgd<double> sgd(problem.groups, clr, options);
  for (Index t = 0; t < steps; ++t) {
    reference.step(clr(t), reference_options);
    problem.backward();
    sgd.step();
  }
  Long difference = 0;
  Long largest = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    const Long d = std::abs(problem.number(static_cast<Index>(i)) - reference.w[i]);
    difference = test::worse(difference, d);
    largest = std::max(largest, std::abs(reference.w[i]));
  }
  return static_cast<double>(difference / largest);
}

const std::vector<optim::SgdOptions> variants = {
    {},
    {.momentum = 0.9},
    {.momentum = 0.9, .nesterov = true},
    {.clip = {.norm = 0.5}},
    {.clip = {.value = 0.1}},
    {.momentum = 0.8, .nesterov = true, .clip = {.norm = 0.7, .value = 0.2}},
};

}  // namespace

TEST_CASE("sgd: every variant follows the long double reference for a thousand steps") {
  for (std::size_t i = 0; i < variants.size(); ++i) {
    INFO("variant " << i);
    CHECK(!(error_after(1000, variants[i], variants[i]) > 1e-12));
  }
}

TEST_CASE("sgd: no variant follows the reference of another") {
  for (std::size_t i = 0; i < variants.size(); ++i) {
    for (std::size_t j = 0; j < variants.size(); ++j) {
      if (i != j) CHECK(error_after(20, variants[i], variants[j]) > 1e-9);
    }
  }
}

TEST_CASE("sgd: one step of each kind by hand") {
  const auto after = [](int steps, optim::SgdOptions options, double decay) {
    Parameter<double> p(Tensor<double>({1}, 2));
    ParameterList<double> all;
    all.add("p", p);
    optim::Sgd<double> sgd({{all, decay}}, optim::Constant{0.5}, options);
    for (int i = 0; i < steps; ++i) {
      Tape<double> tape;
      tape.backward(sum(scale(tape.parameter(p), 4)));
      sgd.step();
    }
    return p.value()[0];
  };
  CHECK(after(1, {}, 0) == 0);
  CHECK(after(1, {}, 0.5) == -0.5);
  CHECK(after(2, {.momentum = 0.5}, 0) == -3);                      // v: 4, 6
  CHECK(after(2, {.momentum = 0.5, .nesterov = true}, 0) == -4.5);  // moves: 6, 7
  CHECK(after(1, {.clip = {.norm = 1}}, 0) == 1.5);
  CHECK(after(1, {.clip = {.norm = 1, .value = 0.5}}, 0) == 1.75);
  CHECK(after(1, {.clip = {.norm = 100, .value = 100}}, 0) == 0);
}

TEST_CASE("sgd: counts steps and states the rate of the next") {
  Problem problem;
  optim::Sgd<double> sgd(problem.groups, optim::StepDecay{.lr = 1, .factor = 0.5, .every = 2});
  CHECK(sgd.steps() == 0);
  for (int i = 0; i < 2; ++i) {
    CHECK(sgd.lr() == 1);
    problem.backward();
    sgd.step();
  }
  CHECK(sgd.steps() == 2);
  CHECK(sgd.lr() == 0.5);
}

TEST_CASE("sgd: a step without a new gradient throws and changes nothing") {
  Problem problem;
  optim::Sgd<double> sgd(problem.groups, optim::Constant{0.1});
  const auto text = Message(
      "step: no parameter has a new gradient; call tape.backward(loss) before each step, "
      "with the parameters that this optimizer has");
  CHECK_THROWS_MATCHES(sgd.step(), GradError, text);
  problem.backward();
  sgd.step();
  const Tensor<double> before(problem.matrix.value());
  CHECK_THROWS_MATCHES(sgd.step(), GradError, text);
  CHECK(Tensor<double>(problem.matrix.value()) == before);
  CHECK(sgd.steps() == 1);
}

TEST_CASE("sgd: parameters without a new gradient stay, in spite of decay and momentum") {
  Problem problem;
  optim::Sgd<double> sgd(problem.groups, optim::Constant{0.1}, {.momentum = 0.9});
  problem.backward();
  sgd.step();
  const Tensor<double> before(problem.matrix.value());
  const Tensor<double> bias_before(problem.bias.value());
  problem.matrix.freeze();
  problem.backward();
  sgd.step();
  CHECK(Tensor<double>(problem.matrix.value()) == before);
  CHECK_FALSE(Tensor<double>(problem.bias.value()) == bias_before);
}

TEST_CASE("sgd: stored gradients are bit-identical after the step") {
  Problem problem;
  optim::Sgd<double> sgd(problem.groups, optim::Constant{0.1}, variants.back());
  for (int i = 0; i < 3; ++i) {
    problem.backward();
    const Tensor<double> matrix(problem.matrix.gradient());
    const Tensor<double> bias(problem.bias.gradient());
    sgd.step();
    CHECK(std::memcmp(matrix.data(), problem.matrix.gradient().data(), 64) == 0);
    CHECK(std::memcmp(bias.data(), problem.bias.gradient().data(), 32) == 0);
  }
}

TEST_CASE("sgd: impossible settings are refused") {
  Problem problem;
  const optim::Schedule rate = optim::Constant{0.1};
  const auto make = [&](optim::SgdOptions options) {
    optim::Sgd<double>(problem.groups, rate, options);
  };
  CHECK_THROWS_MATCHES(make({.momentum = 1}), OptionError,
                       Message("Sgd: momentum is 1, but must be in [0, 1)"));
  CHECK_THROWS_AS(make({.momentum = -0.1}), OptionError);
  CHECK_THROWS_AS(make({.momentum = std::nan("")}), OptionError);
  CHECK_THROWS_MATCHES(make({.nesterov = true}), OptionError,
                       Message("Sgd: Nesterov needs a momentum above 0"));
  CHECK_THROWS_MATCHES(make({.clip = {.norm = -1}}), OptionError,
                       Message("clip limits are -1 (norm) and 0 (value), but must be at least 0"));
  CHECK_THROWS_AS(make({.clip = {.value = -1}}), OptionError);

  optim::ParamGroups<double> twice = problem.groups;
  twice[1].parameters.add("again", problem.matrix);
  CHECK_THROWS_MATCHES(optim::Sgd<double>(twice, rate), OptionError,
                       Message("parameter `again` is in two groups"));
  optim::ParamGroups<double> negative = problem.groups;
  negative[0].weight_decay = -0.5;
  CHECK_THROWS_MATCHES(optim::Sgd<double>(negative, rate), OptionError,
                       Message("weight_decay is -0.5, but must be finite and at least 0"));
}

TEST_CASE("sgd: float and double take the same steps") {
  const auto train = []<Scalar T>(T) {
    Parameter<T> p(Rng(1).normal<T>({6}, 1));
    ParameterList<T> all;
    all.add("p", p);
    optim::Sgd<T> sgd({{all, 0.01}}, optim::Constant{0.05},
                      {.momentum = 0.9, .nesterov = true, .clip = {.norm = 1}});
    for (int i = 0; i < 50; ++i) {
      Tape<T> tape;
      tape.backward(sum(square(tape.parameter(p) - T(1))));
      sgd.step();
    }
    return Tensor<T>(p.value());
  };
  const Tensor<double> full = train(0.0);
  const Tensor<float> single = train(0.0F);
  for (Index i = 0; i < 6; ++i) CHECK(!(std::abs(full[i] - double{single[i]}) > 1e-5));
}

TEST_CASE("gradient norm: of all parameters together") {
  Parameter<double> a(Tensor<double>({1}, 1));
  Parameter<double> b(Tensor<double>({2}, 1));
  ParameterList<double> first;
  first.add("a", a);
  ParameterList<double> second;
  second.add("b", b);
  const optim::ParamGroups<double> groups{{first}, {second}};
  Tape<double> tape;
  tape.backward(sum(scale(tape.parameter(a), 3)) + sum(scale(tape.parameter(b), std::sqrt(8.0))));
  CHECK(!(std::abs(optim::gradient_norm(groups) - 5) > 1e-14));
}

TEST_CASE("param groups: matrices decay, vectors do not") {
  Problem problem;
  Parameter<double> scalar(Tensor<double>(Shape{}, 1));
  ParameterList<double> all;
  all.add("m", problem.matrix).add("b", problem.bias).add("s", scalar);
  const auto groups = optim::decay_matrices(all, 0.25);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].weight_decay == 0.25);
  CHECK(groups[1].weight_decay == 0);
  REQUIRE(groups[0].parameters.size() == 1);
  CHECK(groups[0].parameters[0].name == "m");
  CHECK(groups[1].parameters.size() == 2);
  const auto one = optim::one_group(all);
  REQUIRE(one.size() == 1);
  CHECK(one[0].weight_decay == 0);
  CHECK(one[0].lr_scale == 1);
}

TEST_CASE("penalty: the number, the value on a tape and the weight decay agree") {
  Problem problem;
  Long expected = 0;
  for (Index i = 0; i < 12; ++i) {
    expected += Long(i < 8 ? 0.05 : 0.002) / 2 * problem.number(i) * problem.number(i);
  }
  const double number = optim::penalty(problem.groups);
  CHECK(!(std::abs(number - expected) > 1e-15 * expected));
  Tape<double> tape;
  const Var<double> value = optim::penalty(tape, problem.groups);
  CHECK(value.shape() == Shape{});
  CHECK(!(std::abs(value.item() - number) > 1e-15 * number));
  tape.backward(value);
  for (Index i = 0; i < 12; ++i) {
    const double gradient = i < 8 ? problem.matrix.gradient()[i] : problem.bias.gradient()[i - 8];
    const double decay = (i < 8 ? 0.05 : 0.002) * problem.number(i);
    CHECK(!(std::abs(gradient - decay) > 1e-15 * std::abs(decay)));
  }
}

TEST_CASE("penalty: its gradient agrees with finite differences") {
  Problem problem;
  ParameterList<double> all;
  all.add("m", problem.matrix).add("b", problem.bias);
  const auto report =
      gradcheck(all, [&](Tape<double>& tape) { return optim::penalty(tape, problem.groups); });
  INFO(to_string(report));
  CHECK(report.passed());
}

TEST_CASE("penalty: without decay it is zero, on a tape too") {
  Problem problem;
  ParameterList<double> all;
  all.add("m", problem.matrix);
  CHECK(optim::penalty(optim::one_group(all)) == 0);
  Tape<double> tape;
  CHECK(optim::penalty(tape, optim::one_group(all)).item() == 0);
}
