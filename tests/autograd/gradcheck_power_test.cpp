// What gradcheck finds, and what it must not claim to find: planted faults of known size.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "autograd/gradcheck_report.h"
#include "autograd/ops.h"
#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/random.h"
#include "tests/autograd/faulty.h"
#include "tests/catch.h"

using namespace tapegrad;
using tapegrad::test::Fault;
using tapegrad::test::faulty;

namespace {

using In = std::span<const Var<double>>;

#ifdef NDEBUG
constexpr Index large = 16384;
#else
constexpr Index large = 2048;  // each difference is a whole evaluation, and slow when sanitised
#endif

/// sum of w x^3; x [n, 1], w [1, n].
template <Scalar T>
Var<T> weighted_cubes(Var<T> x, Var<T> w, Fault fault) {
  const Var<T> right = faulty(x, fault);
  return reshape(matmul(w, square(right) * right), Shape{});
}

/// A cost of one parameter of 16,384 elements, in double and in Dual.
class Large {
 public:
  explicit Large(std::uint64_t seed)
      : rng_(seed),
        x_(rng_.uniform<double>({large, 1}, 0.5, 1.5)),
        x_dual_(Tensor<Dual>({large, 1})),
        w_(rng_.normal<double>({1, large}, 1)),
        w_dual_({1, large}) {
    std::copy(w_.begin(), w_.end(), w_dual_.begin());
    for (Index i = 0; i < large; ++i) {
      gradient_.push_back(std::abs(3 * w_[i] * x_.value()[i] * x_.value()[i]));
    }
    std::vector<double> sorted = gradient_;
    std::nth_element(sorted.begin(), sorted.begin() + large / 2, sorted.end());
    median_ = sorted[large / 2];
  }

  /// A random element whose gradient is at least the median one.
  Index place() {
    Index i = rng_.below(large);
    while (!(gradient_[static_cast<std::size_t>(i)] >= median_)) i = rng_.below(large);
    return i;
  }

  GradcheckReport differences(Fault fault, const GradcheckOptions& options = {}) {
    ParameterList<double> all;
    all.add("x", x_);
    return gradcheck(all, cost(fault), options);
  }

  GradcheckReport twin(Fault fault, const GradcheckOptions& options = {}) {
    ParameterList<double> all;
    all.add("x", x_);
    DualTwin dual;
    dual.parameters.add("x", x_dual_);
    dual.cost = [&](Tape<Dual>& tape) {
      return weighted_cubes(tape.parameter(x_dual_), tape.constant(w_dual_), {});
    };
    return gradcheck(all, cost(fault), dual, options);
  }

 private:
  Cost<double> cost(Fault fault) {
    return [this, fault](Tape<double>& tape) {
      return weighted_cubes(tape.parameter(x_), tape.constant(w_), fault);
    };
  }

  Rng rng_;
  Parameter<double> x_;
  Parameter<Dual> x_dual_;
  Tensor<double> w_;
  Tensor<Dual> w_dual_;
  std::vector<double> gradient_;  // sizes
  double median_ = 0;
};

/// Whether the check fails at exactly this element.
bool names(const GradcheckReport& report, Index place) {
  const ParameterCheck& p = report.parameters.at(0);
  if (report.passed() || p.failed != 1 || p.compared != large) return false;
  return p.entries.at(static_cast<std::size_t>(p.worst)).index == place;
}

/// In how many of 100 draws of element and directions the fault is found.
template <class Check>
int found_along_directions(Large& large_cost, double relative, Check check) {
  int found = 0;
  for (std::uint64_t draw = 1; draw <= 100; ++draw) {
    const Fault fault{large_cost.place(), relative};
    const auto report = check(fault, GradcheckOptions{.directions = 8, .seed = draw});
    found += !report.passed();
  }
  return found;
}

/// y = ln x, with dx = k dy at one element (-1: at all), else dy / x.
Var<double> log_with(Var<double> x, double k, Index place) {
  auto y = x.tape().record("log_with", x.shape(), {x});
  for (Index i = 0; i < y.shape().size(); ++i) y.out()[i] = std::log(x.value()[i]);
  return y.vjp([=](View<const double> dy) {
    const Grad<double> dx = x.grad();
    for (Index i = 0; i < dy.size(); ++i) {
      const double slope = place < 0 || i == place ? k : 1 / x.value()[i];
      dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + slope * dy[i];
    }
  });
}

// ---- random graphs ----

/// A few ops over one or two inputs; which ones is a pure function of the seed.
Var<double> small_graph(In in, std::uint64_t seed) {
  Rng rng(seed, 7);
  std::vector<Var<double>> values(in.begin(), in.end());
  const auto pick = [&] { return values[static_cast<std::size_t>(rng.below(std::ssize(values)))]; };
  const Index ops = 2 + rng.below(6);
  for (Index k = 0; k < ops; ++k) {
    const Var<double> a = pick();
    const Var<double> b = pick();
    switch (rng.below(16)) {
      case 0:
        values.push_back(a + b);
        break;
      case 1:
        values.push_back(tanh(a) * b);
        break;
      case 2:
        values.push_back(a - tanh(b));
        break;
      case 3:
        values.push_back(a / (square(b) + 1));
        break;
      case 4:
        values.push_back(sin(a));
        break;
      case 5:
        values.push_back(cos(a));
        break;
      case 6:
        values.push_back(sigmoid(a));
        break;
      case 7:
        values.push_back(relu(a));
        break;
      case 8:
        values.push_back(abs(a));
        break;
      case 9:
        values.push_back(softplus(a));
        break;
      case 10:
        values.push_back(gelu(a));
        break;
      case 11:
        values.push_back(maximum(a, b));
        break;
      case 12:
        values.push_back(log_softmax(a));
        break;
      case 13:
        values.push_back(layer_norm(a, sum(b, 0), mean(a, 0), 0.1));
        break;
      case 14:
        values.push_back(tanh(matmul(a, transpose(b))));
        break;
      default:
        values.push_back(scale(exp(tanh(a)), -0.7));
        break;
    }
    if (values.back().shape() != in[0].shape()) values.back() = matmul(values.back(), a);
  }
  return values.back() + scale(values[values.size() / 2], 0.5);
}

}  // namespace

TEST_CASE("gradcheck: one element of many that is off by a millionth is found and named") {
  Large cost(1);
  const Index place = cost.place();
  CHECK(names(cost.differences({place, 1e-6}), place));
  CHECK(names(cost.twin({place, 1e-6}), place));
}

TEST_CASE("gradcheck: right elements pass, whatever sample of many is taken") {
  Large cost(2);
  const GradcheckOptions options{.sample = 1024};
  for (const auto& report : {cost.differences({}, options), cost.twin({}, options)}) {
    CHECK(report.passed());
    CHECK(report.diagnosis.empty());
    const ParameterCheck& p = report.parameters.at(0);
    CHECK(p.compared == 1024);
    CHECK(p.failed == 0);
  }
}

TEST_CASE("gradcheck: the exact oracle finds an element off by 1e-5 along eight directions") {
  Large cost(3);
  const auto check = [&](Fault fault, const GradcheckOptions& options) {
    return cost.twin(fault, options);
  };
  CHECK(found_along_directions(cost, 1e-5, check) >= 99);
  CHECK(found_along_directions(cost, 0, check) == 0);
}

TEST_CASE("gradcheck: differences find an element off by 1e-5 along eight directions") {
  Large cost(4);
  const auto check = [&](Fault fault, const GradcheckOptions& options) {
    return cost.differences(fault, options);
  };
  CHECK(found_along_directions(cost, 1e-5, check) >= 99);
  CHECK(found_along_directions(cost, 0, check) == 0);
}

TEST_CASE("gradcheck: a thousand right graphs raise no alarm") {
  Index compared = 0;
  Index kinks = 0;
  Index inconclusive = 0;
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    Rng rng(seed);
    const Shape shape{1 + rng.below(3), 1 + rng.below(4)};
    std::vector<Tensor<double>> inputs{rng.normal<double>(shape, 1)};
    if (rng.below(2) == 1) inputs.push_back(rng.normal<double>(shape, 1));
    const auto report = gradcheck(inputs, [seed](In in) { return small_graph(in, seed); });
    for (const auto& p : report.parameters) {
      compared += p.compared;
      kinks += p.kinks;
      inconclusive += p.inconclusive;
      const bool fine = p.passed() || (p.failed == 0 && p.kinks == std::ssize(p.entries));
      if (p.failed == 0 && fine) continue;
      ++failed;
      UNSCOPED_INFO("graph " << seed << "\n" << to_string(report));
    }
  }
  INFO(compared << " compared, " << kinks << " kinks, " << inconclusive << " inconclusive");
  CHECK(failed == 0);
  CHECK(compared > 7000);
  CHECK(100 * kinks < compared);
  CHECK(100 * inconclusive < compared);
}

TEST_CASE("gradcheck: NaN in one entry of many fails, whichever oracle and step") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor<double> x = Rng(6).uniform<double>({5, 5}, 1, 2);
  const auto f = [&](In in) { return log_with(in[0], nan, 17); };
  std::vector<GradcheckOptions> every(6);
  every[1].difference = Difference::forward;
  every[2].difference = Difference::centred;
  every[3].difference = Difference::four_point;
  every[4].difference = Difference::six_point;
  every[5].directions = 3;
  for (const auto& options : every) {
    const auto report = gradcheck({x}, f, options);
    CHECK_FALSE(report.passed());
    const bool along = options.directions > 0;
    if (options.difference != Difference::forward) {
      CHECK(report.parameters[0].failed == (along ? 3 : 1));
    }
    CHECK(report.parameters[0].entries[along ? 0 : 17].verdict == Verdict::fail);
  }
}

TEST_CASE("gradcheck: where every element is a kink nothing was compared, and that fails") {
  // On the kink, where a centred difference gives the middle slope, and nearer to it than any step.
  const Tensor<double> x({6}, {0, 1e-7, -1e-7, 1e-9, 0, -1e-12});
  for (const auto f : {+[](In in) { return relu(in[0]); }, +[](In in) { return abs(in[0]); },
                       +[](In in) { return maximum(in[0], scale(in[0], 2)); }}) {
    const auto report = gradcheck({x}, f);
    const ParameterCheck& p = report.parameters[0];
    CHECK(p.kinks == 6);
    CHECK(p.compared == 0);
    CHECK(p.failed == 0);
    CHECK_FALSE(p.passed());
    CHECK_FALSE(report.passed());
    CHECK(to_string(report).find("nothing was compared") != std::string::npos);
  }
}

TEST_CASE("gradcheck: a cost that changes a parameter fails, and the report says so") {
  Parameter<double> x(Tensor<double>({3}, {1, 2, 3}));
  Parameter<double> counter(Tensor<double>(Shape{}, 0));
  ParameterList<double> all;
  all.add("x", x).add("counter", counter);
  const auto cost = [&](bool changes) {
    return [&, changes](Tape<double>& tape) {
      if (changes) counter.write()[0] += 1;
      return sum(square(tape.parameter(x))) + scale(tape.parameter(counter), 0);
    };
  };
  const auto pure = gradcheck(all, cost(false));
  CHECK(pure.restored);
  CHECK(pure.passed());
  const auto impure = gradcheck(all, cost(true));
  CHECK_FALSE(impure.restored);
  CHECK_FALSE(impure.passed());
  CHECK(to_string(impure).find("the cost changed the parameters") != std::string::npos);
  CHECK(counter.value()[0] == 0);
}

TEST_CASE("gradcheck: a numeric slope that is infinite fails and is not taken for a kink") {
  const Tensor<double> x({4}, {1e-5, 1, 2, 3});
  const GradcheckOptions centred{.difference = Difference::centred, .h = 1e-5};
  const auto everywhere = gradcheck(
      {x}, [](In in) { return log_with(in[0], 1000, -1); }, centred);
  CHECK_FALSE(everywhere.passed());
  CHECK(everywhere.parameters[0].failed == 4);
  CHECK(everywhere.parameters[0].kinks == 0);
  const auto at_the_pole = gradcheck(
      {x}, [](In in) { return log_with(in[0], 1000, 0); }, centred);
  CHECK_FALSE(at_the_pole.passed());
  CHECK(at_the_pole.parameters[0].worst == 0);
  CHECK(std::isinf(at_the_pole.parameters[0].entries[0].numeric));
  CHECK(at_the_pole.parameters[0].entries[0].verdict == Verdict::fail);
}

TEST_CASE("gradcheck: what a cost does at its first call is seen, and undone") {
  Parameter<double> w(Tensor<double>({2}, {2, 0.5}));
  ParameterList<double> all;
  all.add("w", w);
  const auto report = gradcheck(all, [&](Tape<double>& tape) {
    for (double& x : w.write()) x = std::min(x, 1.0);  // clips once: then nothing is left to clip
    return sum(square(tape.parameter(w)));
  });
  CHECK_FALSE(report.restored);
  CHECK_FALSE(report.passed());
  CHECK(w.value()[0] == 2);
  CHECK(w.value()[1] == 0.5);
}

TEST_CASE("gradcheck: a bias that normalization cancels has the gradient zero, to rounding") {
  const auto model = [](auto& net) {
    using T = std::remove_cvref_t<decltype(net.parameters()[0].parameter->value()[0])>;
    Rng rng(3);
    net.template add<nn::Linear<T>>(4, 5, rng);
    net.template add<nn::BatchNorm<T>>(5);
    net.template add<nn::Tanh<T>>();
    net.template add<nn::Linear<T>>(5, 2, rng);
  };
  nn::Sequential<double> net;
  nn::Sequential<float> net_float;
  nn::Sequential<Dual> net_dual;
  model(net);
  model(net_float);
  model(net_dual);
  const Tensor<double> x = Rng(4).normal<double>({8, 4}, 1);
  const Tensor<float> x_float = Rng(4).normal<float>({8, 4}, 1);
  const Tensor<Dual> x_dual = Rng(4).normal<Dual>({8, 4}, 1);
  const auto cost = [](auto& of, const auto& input) {
    return [&](auto& tape) { return mean(square(of(tape.constant(input)))); };
  };
  CHECK(gradcheck(net.parameters(), cost(net, x)).passed());
  CHECK(gradcheck(net.parameters(), cost(net, x),
                  DualTwin{net_dual.parameters(), cost(net_dual, x_dual)})
            .passed());
  CHECK(gradcheck_float(net_float.parameters(), cost(net_float, x_float), net.parameters(),
                        cost(net, x))
            .passed());
}

TEST_CASE("gradcheck: the gradients are the cost's own, not those of a pass inside it") {
  Parameter<double> v(Tensor<double>({2}, {1, 2})), w(Tensor<double>({2}, {3, 4}));
  ParameterList<double> all;
  all.add("v", v).add("w", w);
  const auto report = gradcheck(all, [&](Tape<double>& tape) {
    double inner_value = 0;
    {
      Tape<double> inner;
      const auto inner_cost = sum(square(inner.parameter(v)));
      inner.backward(inner_cost);
      inner_value = inner_cost.item();
    }
    return sum(square(tape.parameter(w))) + inner_value;  // its gradient by v is missing
  });
  CHECK_FALSE(report.parameters[0].passed());
  CHECK(report.parameters[1].passed());
}
