// Forward mode, reverse mode and forward over reverse agree, for every op.
#include "autograd/derivatives.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/random.h"
#include "tests/autograd/declared_ops.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::test;
using Catch::Matchers::Message;

namespace {

using Tensors = std::vector<Tensor<double>>;

/// Numbers that live as long as the tape.
template <Scalar T>
Var<T> constant_like(Tape<T>& tape, const Tensor<double>& numbers) {
  const std::span<T> to = tape.template scratch<T>(numbers.size());
  std::copy(numbers.begin(), numbers.end(), to.begin());
  return tape.constant(View<const T>(to.data(), numbers.shape()));
}

/// sum of w y.
template <Scalar T>
Var<T> weighted(Var<T> y, const Tensor<double>& w) {
  return sum(y * constant_like(y.tape(), w));
}

template <class F>
Tensors gradients(const F& f, const Tensors& x) {
  Tape<double> tape;
  std::vector<Var<double>> in;
  for (const auto& input : x) in.push_back(tape.variable(input));
  tape.backward(f(std::span<const Var<double>>(in)));
  Tensors out;
  for (const auto& v : in) out.emplace_back(tape.gradient(v));
  return out;
}

/// Sum of products, and of their sizes.
struct Dot {
  double value = 0;
  double size = 0;

  Dot& operator+=(double term) {
    value += term;
    size += std::abs(term);
    return *this;
  }
};

Dot dot(const Tensors& a, const Tensors& b) {
  Dot sum;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (Index j = 0; j < a[i].size(); ++j) sum += a[i][j] * b[i][j];
  }
  return sum;
}

bool agree(const Dot& a, const Dot& b, double tolerance) {
  return std::abs(a.value - b.value) <= tolerance * std::max({a.size, b.size, 1e-3});
}

/// The largest difference, relative to the largest number.
double distance(const Tensors& a, const Tensors& b) {
  double largest = 1e-3;
  double difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (Index j = 0; j < a[i].size(); ++j) {
      largest = std::max({largest, std::abs(a[i][j]), std::abs(b[i][j])});
      const double d = std::abs(a[i][j] - b[i][j]);
      if (!(d <= difference) && !std::isnan(difference)) difference = d;
    }
  }
  return difference / largest;
}

Tensors moved(const Tensors& x, const Tensors& v, double h) {
  Tensors out = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (Index j = 0; j < x[i].size(); ++j) out[i][j] += h * v[i][j];
  }
  return out;
}

/// Central, of fourth order: some second derivatives change quickly.
template <class Gradient>
Tensors central_difference(const Gradient& gradient, const Tensors& x, const Tensors& v) {
  constexpr double h = 1e-4;
  Tensors out;
  for (const Tensor<double>& input : x) out.emplace_back(input.shape());
  for (const auto& [k, weight] : {std::pair{1, 8.0}, {-1, -8.0}, {2, -1.0}, {-2, 1.0}}) {
    const Tensors g = gradient(moved(x, v, k * h));
    for (std::size_t i = 0; i < g.size(); ++i) {
      for (Index j = 0; j < g[i].size(); ++j) out[i][j] += weight / (12 * h) * g[i][j];
    }
  }
  return out;
}

Tensors random_like(Rng& rng, const std::vector<Shape>& shapes) {
  Tensors out;
  for (const Shape& shape : shapes) out.push_back(rng.normal<double>(shape, 1));
  return out;
}

/// What the checks of one function found.
struct Found {
  bool jvp_is_vjp = true;
  bool symmetric = true;
  double from_differences = 0;  // the Hessian-vector product's distance
  bool curved = false;          // it is not zero
};

/// A function that is the same in every scalar type.
struct Row {
  std::string op;
  std::function<Found(std::uint64_t seed)> check;
};

template <class F>
Row row(const std::string& op, const std::vector<Shape>& shapes, F f, bool positive = false) {
  return {op, [=](std::uint64_t seed) {
            Rng rng(seed);
            Tensors x;
            for (const Shape& shape : shapes) {
              x.push_back(rng.uniform<double>(shape, 0.3, 1.6));
              for (double& number : x.back()) {
                if (!positive && rng.below(2) == 0) number = -number;
              }
            }
            const Tensors u = random_like(rng, shapes);
            const Tensors v = random_like(rng, shapes);
            Found found;

            const Tensors along{jvp(f, x, v)};
            const Tensors w{rng.normal<double>(along[0].shape(), 1)};
            const auto linear_cost = [&](auto in) { return weighted(f(in), w[0]); };
            found.jvp_is_vjp = agree(dot(along, w), dot(gradients(linear_cost, x), v), 1e-12);

            // Through a sine, so that linear functions have a second derivative too.
            const auto cost = [&](auto in) { return weighted(sin(f(in)), w[0]); };
            const Tensors hv = hvp(cost, x, v);
            found.symmetric = agree(dot(u, hv), dot(v, hvp(cost, x, u)), 1e-12);
            const auto gradient = [&](const Tensors& at) { return gradients(cost, at); };
            found.from_differences = distance(hv, central_difference(gradient, x, v));
            for (const auto& h : hv) {
              for (const double number : h) found.curved = found.curved || number != 0;
            }
            return found;
          }};
}

const std::vector<std::int32_t>& labels() {
  static const std::vector<std::int32_t> numbers{2, 0, 2};
  return numbers;
}

/// A copy on the tape of fixed numbers between 0 and 1.
template <Scalar T>
View<const T> targets(Var<T> x) {
  return constant_like(x.tape(), Rng(9).uniform<double>(x.shape(), 0, 1)).value();
}

std::vector<Row> table() {
  const Shape m{3, 4};
  const Shape image{2, 2, 4, 3};
  const std::span<const std::int32_t> y(labels());
  return {
      row("add", {m, {4}}, [](auto in) { return add(in[0], in[1]); }),
      row("sub", {m, {3, 1}}, [](auto in) { return sub(in[0], in[1]); }),
      row("mul", {m, {4}}, [](auto in) { return mul(in[0], in[1]); }),
      row("mul", {{2, 1, 3}, {4, 1}}, [](auto in) { return mul(in[0], in[1]); }),
      row("div", {m, {1, 4}}, [](auto in) { return div(in[0], in[1]); }),
      row("scale", {m}, [](auto in) { return scale(in[0], -2.5); }),
      row("div", {m}, [](auto in) { return in[0] / -2.5; }),
      row("shift", {m}, [](auto in) { return shift(in[0], 0.75); }),
      row("neg", {m}, [](auto in) { return neg(in[0]); }),
      row(
          "pow", {m, m}, [](auto in) { return pow(in[0], in[1]); }, true),
      row(
          "pow", {m}, [](auto in) { return pow(in[0], 2.5); }, true),
      row("pow", {m}, [](auto in) { return pow(in[0], 3.0); }),
      row("pow", {m}, [](auto in) { return pow(in[0], -2.0); }),
      row("maximum", {m, {4}}, [](auto in) { return maximum(in[0], in[1]); }),
      row("minimum", {m, {4}}, [](auto in) { return minimum(in[0], in[1]); }),
      row("exp", {m}, [](auto in) { return exp(in[0]); }),
      row(
          "log", {m}, [](auto in) { return log(in[0]); }, true),
      row(
          "sqrt", {m}, [](auto in) { return sqrt(in[0]); }, true),
      row("square", {m}, [](auto in) { return square(in[0]); }),
      row("tanh", {m}, [](auto in) { return tanh(in[0]); }),
      row("sigmoid", {m}, [](auto in) { return sigmoid(in[0]); }),
      row("relu", {m}, [](auto in) { return relu(in[0]); }),
      row("abs", {m}, [](auto in) { return abs(in[0]); }),
      row("sin", {m}, [](auto in) { return sin(in[0]); }),
      row("cos", {m}, [](auto in) { return cos(in[0]); }),
      row("softplus", {m}, [](auto in) { return softplus(in[0]); }),
      row("gelu", {m}, [](auto in) { return gelu(in[0]); }),
      row("leaky_relu", {m}, [](auto in) { return leaky_relu(in[0], 0.2); }),
      row("reciprocal", {m}, [](auto in) { return reciprocal(in[0]); }),
      row("clamp", {m}, [](auto in) { return clamp(in[0], -0.7, 0.9); }),
      row("dropout", {m}, [](auto in) { return dropout(in[0], 0.4, Rng(5, 2)); }),
      row("sum", {m}, [](auto in) { return sum(in[0]); }),
      row("sum", {m}, [](auto in) { return sum(in[0], 0); }),
      row("mean", {m}, [](auto in) { return mean(in[0]); }),
      row("mean", {m}, [](auto in) { return mean(in[0], 1, true); }),
      row("max", {m}, [](auto in) { return max(in[0]); }),
      row("max", {m}, [](auto in) { return max(in[0], 1); }),
      row("var", {m}, [](auto in) { return var(in[0]); }),
      row("var", {m}, [](auto in) { return var(in[0], 0); }),
      row("logsumexp", {m}, [](auto in) { return logsumexp(in[0]); }),
      row("logsumexp", {m}, [](auto in) { return logsumexp(in[0], -1); }),
      row("reshape", {m},
          [](auto in) {
            return reshape(in[0], {2, 6});
          }),
      row("transpose", {m}, [](auto in) { return transpose(in[0]); }),
      row("broadcast_to", {{3, 1}},
          [](auto in) {
            return broadcast_to(in[0], {2, 3, 4});
          }),
      row("permute", {{2, 3, 4}},
          [](auto in) {
            return permute(in[0], {2, 0, 1});
          }),
      row("flip", {m}, [](auto in) { return flip(in[0], 1); }),
      row("slice", {m}, [](auto in) { return slice(in[0], 1, 1, 3); }),
      row("concat", {m, {3, 1}},
          [](auto in) {
            return concat({in[0], in[1], in[0]}, 1);
          }),
      row("stack", {m, m},
          [](auto in) {
            return stack({in[0], in[1]}, 1);
          }),
      row("gather_rows", {m}, [y](auto in) { return gather_rows(in[0], y); }),
      row("matmul", {m, {4, 2}}, [](auto in) { return matmul(in[0], in[1]); }),
      row("matmul", {{2, 3, 4}, {4, 2}}, [](auto in) { return matmul(in[0], in[1]); }),
      row("linear", {m, {2, 4}, {2}}, [](auto in) { return linear(in[0], in[1], in[2]); }),
      row("softmax", {m}, [](auto in) { return softmax(in[0]); }),
      row("log_softmax", {m}, [](auto in) { return log_softmax(in[0]); }),
      row("softmax_cross_entropy", {m}, [y](auto in) { return softmax_cross_entropy(in[0], y); }),
      row("softmax_cross_entropy", {m},
          [](auto in) { return softmax_cross_entropy(in[0], targets(in[0])); }),
      row("multiclass_hinge", {m}, [y](auto in) { return multiclass_hinge(in[0], y); }),
      row("binary_cross_entropy_with_logits", {m},
          [](auto in) { return binary_cross_entropy_with_logits(in[0], targets(in[0])); }),
      row("mse", {m, m}, [](auto in) { return mse(in[0], in[1]); }),
      row("batch_norm", {{5, 3}, {3}, {3}},
          [](auto in) { return batch_norm(in[0], in[1], in[2], 1e-2); }),
      row("batch_norm", {image, {2}, {2}},
          [](auto in) { return batch_norm(in[0], in[1], in[2], 1e-2); }),
      row("batch_norm", {{5, 3}, {3}, {3}},
          [](auto in) {
            return batch_norm(in[0], in[1], in[2], targets(in[1]), targets(in[2]), 1e-2);
          }),
      row("layer_norm", {m, {4}, {4}},
          [](auto in) { return layer_norm(in[0], in[1], in[2], 1e-2); }),
      row("conv2d", {image, {3, 2, 2, 3}, {3}},
          [](auto in) { return conv2d(in[0], in[1], in[2], {.stride = 1, .padding = 1}); }),
      row("conv2d", {image, {1, 2, 1, 1}, {1}},
          [](auto in) { return conv2d(in[0], in[1], in[2], {.stride = 2}); }),
      row("max_pool2d", {image}, [](auto in) { return max_pool2d(in[0], 2, 1); }),
      row("avg_pool2d", {image}, [](auto in) { return avg_pool2d(in[0], 2, 1); }),
  };
}

/// A net of two layers and a cost with a penalty, in any scalar type.
template <Scalar T>
struct Net {
  Net() {
    Rng rng(3);
    layers.template add<nn::Linear<T>>(5, 4, rng);
    layers.template add<nn::Tanh<T>>();
    layers.template add<nn::Linear<T>>(4, 3, rng);
    parameters = layers.parameters();
  }

  Var<T> cost(Tape<T>& tape) {
    const Var<T> x = constant_like(tape, Rng(4).normal<double>({3, 5}, 1));
    const Var<T> loss = softmax_cross_entropy(layers(x), std::span<const std::int32_t>(labels()));
    return loss + scale(sum(square(tape.parameter(parameters.at("0.weight")))), 0.05);
  }

  nn::Sequential<T> layers;
  ParameterList<T> parameters;
};

std::vector<Shape> shapes_of(const ParameterList<Dual>& list) {
  std::vector<Shape> shapes;
  for (const auto& p : list) shapes.push_back(p.parameter->shape());
  return shapes;
}

bool without_tangents(const ParameterList<Dual>& list) {
  for (const auto& p : list) {
    for (const Dual& d : p.parameter->value()) {
      if (d.tangent != 0) return false;
    }
  }
  return true;
}

/// The double net's gradient at given parameter values.
Tensors net_gradient(const Tensors& at) {
  Net<double> net;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const auto to = net.parameters[i].parameter->write();
    std::copy(at[i].begin(), at[i].end(), to.begin());
  }
  {
    Tape<double> tape;
    tape.backward(net.cost(tape));
  }
  Tensors out;
  for (const auto& p : net.parameters) out.emplace_back(p.parameter->gradient());
  return out;
}

}  // namespace

TEST_CASE("derivatives: every op declared in ops.h has a row") {
  std::set<std::string> rows;
  for (const Row& r : table()) rows.insert(r.op);
  CHECK(rows == declared_ops());
}

TEST_CASE("derivatives: jvp and vjp agree, and the Hessian is symmetric, for every op") {
  for (const Row& r : table()) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      INFO(r.op << ", seed " << seed);
      const Found found = r.check(seed);
      CHECK(found.jvp_is_vjp);
      CHECK(found.symmetric);
      CHECK(found.curved);
    }
  }
}

TEST_CASE("derivatives: hvp is the central difference of gradients, for every op") {
  for (const Row& r : table()) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      INFO(r.op << ", seed " << seed);
      CHECK(r.check(seed).from_differences <= 1e-7);
    }
  }
}

TEST_CASE("derivatives: a wrong vjp and a wrong second derivative are found") {
  // dx = dy x in place of 2 dy x, and dx = 2 dy x0 with x's tangent lost.
  const auto with = [](bool half) {
    return [half]<Scalar T>(std::span<const Var<T>> in) {
      const Var<T> x = in[0];
      auto y = x.tape().record("wrong_square", x.shape(), {x});
      for (Index i = 0; i < x.shape().size(); ++i) y.out()[i] = x.value()[i] * x.value()[i];
      return y.vjp([=](View<const T> dy) {
        const Grad<T> dx = x.grad();
        for (Index i = 0; i < dy.size(); ++i) {
          const T k = half ? x.value()[i] : T(2 * static_cast<double>(x.value()[i]));
          dx.to[i] = (dx.fresh ? T(0) : dx.to[i]) + dy[i] * k;
        }
      });
    };
  };
  const Found wrong_slope = row("half", {{3, 4}}, with(true)).check(1);
  CHECK_FALSE(wrong_slope.jvp_is_vjp);
  const Found wrong_curvature = row("lost", {{3, 4}}, with(false)).check(1);
  CHECK(wrong_curvature.jvp_is_vjp);
  CHECK(wrong_curvature.from_differences > 1e-3);
}

TEST_CASE("derivatives: a quadratic form's products are those of its matrix") {
  const Tensor<double> a({2, 2}, {2, -1, 3, 5});
  const auto f = [&](auto in) {
    const auto m = constant_like(in[0].tape(), a);
    return sum(in[0] * matmul(m, in[0]));
  };
  const Tensors x{Tensor<double>({2, 1}, {1, 2})};
  const Tensors v{Tensor<double>({2, 1}, {3, -1})};
  CHECK(jvp(f, x, v)[0] == 2);  // (A + A') x = (8, 22)
  const Tensors hv = hvp(f, x, v);
  CHECK(hv[0][0] == 10);  // A + A' = (4, 2; 2, 10)
  CHECK(hv[0][1] == -4);
}

TEST_CASE("derivatives: hvp of a whole net is symmetric and the difference of its gradients") {
  Net<Dual> net;
  const std::vector<Shape> shapes = shapes_of(net.parameters);
  const Cost<Dual> cost = [&](Tape<Dual>& tape) { return net.cost(tape); };
  Tensors at;
  for (const auto& p : Net<double>().parameters) at.emplace_back(p.parameter->value());
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    Rng rng(seed);
    const Tensors u = random_like(rng, shapes);
    const Tensors v = random_like(rng, shapes);
    const Tensors hv = hvp(net.parameters, cost, v);
    REQUIRE(hv.size() == shapes.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) CHECK(hv[i].shape() == shapes[i]);
    CHECK(without_tangents(net.parameters));
    CHECK(agree(dot(u, hv), dot(v, hvp(net.parameters, cost, u)), 1e-12));
    CHECK(distance(hv, central_difference(net_gradient, at, v)) <= 1e-7);
  }
}

TEST_CASE("derivatives: hvp takes the tangents out again when the cost throws") {
  Net<Dual> net;
  Rng rng(5);
  const Tensors v = random_like(rng, shapes_of(net.parameters));
  bool had_tangents = false;
  const auto throws = [&](Tape<Dual>&) -> Var<Dual> {
    had_tangents = !without_tangents(net.parameters);
    throw std::runtime_error("no");
  };
  CHECK_THROWS_AS(hvp(net.parameters, throws, v), std::runtime_error);
  CHECK(had_tangents);
  CHECK(without_tangents(net.parameters));
}

TEST_CASE("derivatives: shapes that do not fit are refused") {
  const Tensor<double> x({2, 3});
  const Tensor<double> v({3, 2});
  CHECK_THROWS_MATCHES(with_tangent(x, v), ShapeError,
                       Message("with_tangent: x is [2, 3] but v is [3, 2]"));
  Net<Dual> net;
  const Cost<Dual> cost = [&](Tape<Dual>& tape) { return net.cost(tape); };
  Rng rng(6);
  Tensors few = random_like(rng, shapes_of(net.parameters));
  few.pop_back();
  CHECK_THROWS_MATCHES(hvp(net.parameters, cost, few), ShapeError,
                       Message("hvp: 4 parameters but 3 tensors in v"));
  few.push_back(Tensor<double>({4}));
  CHECK_THROWS_MATCHES(hvp(net.parameters, cost, few), ShapeError,
                       Message("hvp: parameter `2.bias` is [3] but v is [4]"));
  CHECK(without_tangents(net.parameters));
}

TEST_CASE(
    "derivatives: what a cost does not record has no second derivative, whatever came before") {
  Parameter<Dual> used(Tensor<Dual>({2}, Dual(1.5)));
  Parameter<Dual> unused(Tensor<Dual>({2}, Dual(2.5)));
  ParameterList<Dual> both;
  both.add("used", used).add("unused", unused);
  const std::vector<Tensor<double>> v(2, Tensor<double>({2}, 1));
  hvp(
      both,
      [&](Tape<Dual>& tape) {
        return sum(square(tape.parameter(used))) + sum(square(tape.parameter(unused)));
      },
      v);
  const auto products = hvp(
      both, [&](Tape<Dual>& tape) { return sum(square(tape.parameter(used))); }, v);
  CHECK(products[0] == Tensor<double>({2}, 2));
  CHECK(products[1] == Tensor<double>({2}, 0.0));
}

TEST_CASE("hvp: of a parameter that the cost does not have it is zero") {
  Parameter<Dual> used(Tensor<Dual>({1}, Dual(2.0)));
  Parameter<Dual> unused(Tensor<Dual>({1}, Dual(3.0)));
  ParameterList<Dual> all;
  all.add("used", used).add("unused", unused);
  {
    unused.write()[0] = Dual(3.0, 1.0);
    Tape<Dual> tape;
    tape.backward(sum(square(tape.parameter(unused))));  // leaves a gradient with a tangent
  }
  const std::vector<Tensor<double>> v{Tensor<double>({1}, 1), Tensor<double>({1}, 1)};
  const auto products = hvp(
      all, [&](Tape<Dual>& tape) { return sum(square(tape.parameter(used))); }, v);
  CHECK(products[0][0] == 2);
  CHECK(products[1][0] == 0);
}

TEST_CASE("derivatives: the slope of a power goes on changing where the exponent is 0") {
  Parameter<Dual> a(Tensor<Dual>({1}, Dual(2.0))), b(Tensor<Dual>({1}, Dual(0.0)));
  ParameterList<Dual> all;
  all.add("a", a).add("b", b);
  const std::vector<Tensor<double>> along_b{Tensor<double>({1}, 0), Tensor<double>({1}, 1)};
  const auto products = hvp(
      all, [&](Tape<Dual>& tape) { return sum(pow(tape.parameter(a), tape.parameter(b))); },
      along_b);
  CHECK(products[0][0] == 0.5);  // d^2 a^b / da db = 1/a
}
