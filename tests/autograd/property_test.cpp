// Forward mode against reverse mode on random graphs: two ways to one directional derivative, and
// no difference quotient between them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "autograd/derivatives.h"
#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

/// How many graphs: TAPEGRAD_PROPERTY_CASES, or 20,000.
std::uint64_t cases() {
  const char* text = std::getenv("TAPEGRAD_PROPERTY_CASES");
  return text == nullptr ? 20000 : std::strtoull(text, nullptr, 10);
}

/// A random shape that broadcasts against every other one made of the same base.
Shape thinner(const Shape& base, Rng& rng) {
  const Index drop = rng.below(base.rank() + 1);
  std::vector<Index> sizes;
  for (Index axis = rng.below(2) == 0 ? drop : 0; axis < base.rank(); ++axis) {
    sizes.push_back(rng.below(3) == 0 ? 1 : base[static_cast<int>(axis)]);
  }
  return Shape(std::span<const Index>(sizes));
}

/// Rank 0 to 4, sizes 1 to 3, now and then 0.
Shape random_base(Rng& rng) {
  std::vector<Index> sizes(static_cast<std::size_t>(rng.below(5)));
  for (Index& size : sizes) size = rng.below(24) == 0 ? 0 : 1 + rng.below(3);
  return Shape(std::span<const Index>(sizes));
}

/// y = x sin x, whose vjp leaves one factor out of one term.
template <Scalar T>
Var<T> planted(Var<T> x) {
  const Var<T> right = x * sin(x);
  auto y = x.tape().record("planted", x.shape(), {x});
  std::copy(right.value().begin(), right.value().end(), y.out().begin());
  return y.vjp([=](View<const T> dy) {
    if (!x.needs_grad()) return;
    const Grad<T> dx = x.grad();
    for (Index i = 0; i < dy.size(); ++i) {
      const T s = right.value()[i];
      dx.to[i] = (dx.fresh ? T(0) : dx.to[i]) + dy[i] * s;
    }
  });
}

/// A graph of at most 30 steps, of one or a few ops each, whose values stay between about -4 and 4:
/// a pure function of the seed, the same in every scalar type. Every op is smooth where it is used:
/// kinked ops get arguments that are at least 0.2 apart from the kink, whatever the values are.
class RandomGraph {
 public:
  RandomGraph(std::uint64_t seed, bool with_planted) : with_planted_(with_planted), seed_(seed) {
    Rng rng(seed);
    base_ = random_base(rng);
    const Index count = 1 + rng.below(3);
    for (Index i = 0; i < count; ++i) {
      shapes_.push_back(i == 0 ? base_ : thinner(base_, rng));
      inputs_.push_back(rng.uniform<double>(shapes_.back(), -1.5, 1.5));
      directions_.push_back(rng.normal<double>(shapes_.back(), 1));
    }
    body_ = rng.split();
  }

  const std::vector<Tensor<double>>& inputs() const { return inputs_; }
  const std::vector<Tensor<double>>& directions() const { return directions_; }

  /// Rank 0.
  template <Scalar T>
  Var<T> operator()(std::span<const Var<T>> in) const {
    Rng rng = body_;
    std::vector<Var<T>> values(in.begin(), in.end());
    const Index ops = 1 + rng.below(30);
    for (Index k = 0; k < ops; ++k) {
      const Var<T> a = pick(values, rng);
      const Var<T> b = pick(values, rng);
      const Index kind = rng.below(with_planted_ ? kinds + 1 : kinds);
      values.push_back(bounded(op(kind, a, b, rng), rng));
    }
    Var<T> total = sum(values.back());
    for (const Var<T>& value : values) {
      if (rng.below(4) == 0) total = total + scale(sum(value), 0.3);
    }
    return total;
  }

  std::string name() const { return fmt::format("graph {} on {}", seed_, to_string(base_)); }

 private:
  static constexpr Index kinds = 42;

  template <Scalar T>
  static Var<T> pick(const std::vector<Var<T>>& values, Rng& rng) {
    const Index n = std::ssize(values);
    // Half the time a recent one, so that graphs get deep as well as wide.
    const Index i = rng.below(2) == 0 ? n - 1 - rng.below(std::min<Index>(n, 3)) : rng.below(n);
    return values[static_cast<std::size_t>(i)];
  }

  /// The value itself when it is small, else squashed: the same decision in every scalar type.
  template <Scalar T>
  static Var<T> bounded(Var<T> x, Rng& rng) {
    const bool use_tanh = rng.below(2) == 0;
    double largest = 0;
    for (const T& number : x.value()) {
      largest = std::max(largest, std::abs(static_cast<double>(number)));
    }
    if (largest <= 4) return x;
    return use_tanh ? tanh(x) : sin(x);
  }

  /// +-(0.2 ... 2.2): away from 0, with signs fixed by the place and not by the value.
  template <Scalar T>
  static Var<T> away_from_zero(Var<T> x, bool positive) {
    return scale(shift(sigmoid(x), T(0.2)), T(positive ? 1.5 : -1.5));
  }

  /// Numbers that differ by 1/n or so, in an order that the values have no say in.
  template <Scalar T>
  static Var<T> spread(Var<T> x, Rng& rng) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(x.shape().size()));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    rng.permutation(order);
    const std::span<T> to = x.tape().template scratch<T>(x.shape().size());
    for (std::size_t i = 0; i < order.size(); ++i) to[i] = T(2.2 * order[i]);
    const Var<T> steps = x.tape().constant(View<const T>(to.data(), x.shape()));
    return scale(tanh(x) + steps,
                 T(0.5 / static_cast<double>(std::max<Index>(1, x.shape().size()))));
  }

  /// One of the losses, of a matrix with something in it.
  template <Scalar T>
  static Var<T> loss(Var<T> x, Rng& rng) {
    std::vector<std::int32_t> labels;
    for (Index i = 0; i < x.shape()[0]; ++i) {
      labels.push_back(static_cast<std::int32_t>(rng.below(x.shape()[1])));
    }
    const std::span<const std::int32_t> y(labels);
    const std::span<T> to = x.tape().template scratch<T>(x.shape().size());
    for (T& target : to) target = T(rng.uniform());
    const View<const T> targets(to.data(), x.shape());
    switch (rng.below(4)) {
      case 0:
        return softmax_cross_entropy(x, y);
      case 1:
        return softmax_cross_entropy(x, targets);
      case 2:
        return binary_cross_entropy_with_logits(x, targets);
      default:
        return multiclass_hinge(scale(tanh(x), T(0.4)), y);  // every margin is below 1
    }
  }

  template <Scalar T>
  static bool broadcast(Var<T> a, Var<T> b) {
    const Shape& x = a.shape();
    const Shape& y = b.shape();
    for (int i = 1; i <= std::min(x.rank(), y.rank()); ++i) {
      const Index p = x[x.rank() - i];
      const Index q = y[y.rank() - i];
      if (p != q && p != 1 && q != 1) return false;
    }
    return std::max(x.size(), y.size()) <= 81;
  }

  static int axis_of(const Shape& shape, Rng& rng) {
    return static_cast<int>(rng.below(shape.rank()));
  }

  template <Scalar T>
  static Var<T> op(Index kind, Var<T> a, Var<T> other, Rng& rng) {
    const Var<T> b = broadcast(a, other) ? other : sum(other);
    const Shape& s = a.shape();
    const int rank = s.rank();
    const bool flag = rng.below(2) == 0;
    const int axis = rank > 0 ? axis_of(s, rng) : 0;
    const bool empty = s.size() == 0;
    const bool line = rank > 0 && s[axis] > 0;  // an axis to reduce along
    switch (kind) {
      case 0:
        return a + b;
      case 1:
        return a - b;
      case 2:
        return a * b;
      case 3:
        return a / away_from_zero(b, flag);
      case 4:
        return scale(a, -0.7);
      case 5:
        return neg(shift(a, 0.3));
      case 6:
        return exp(sin(a));
      case 7:
        return log(away_from_zero(a, true));
      case 8:
        return sqrt(away_from_zero(a, true));
      case 9:
        return square(a);
      case 10:
        return tanh(a);
      case 11:
        return sigmoid(a);
      case 12:
        return relu(away_from_zero(a, flag)) + cos(a);
      case 13:
        return abs(away_from_zero(a, flag));
      case 14:
        return sin(a);
      case 15:
        return softplus(a);
      case 16:
        return gelu(a);
      case 17:
        return leaky_relu(away_from_zero(a, flag), 0.1);
      case 18:
        return reciprocal(away_from_zero(a, flag));
      case 19:
        return pow(away_from_zero(a, true), sin(b));
      case 20:
        return pow(away_from_zero(a, true), 1.7);
      case 21:
        return flag ? maximum(tanh(a), shift(tanh(b), 2.2)) : minimum(tanh(a), shift(tanh(b), 2.2));
      case 22:
        return clamp(tanh(a), flag ? -2 : 1.5, 2);
      case 23:
        return dropout(a, 0.4, rng.split());
      case 24:
        return rank == 0 ? sum(a) : sum(a, axis, flag);
      case 25:
        return !line ? scale(a, 0.5) : mean(a, axis, flag);
      case 26:
        return !line ? scale(a, 0.4) : var(a, axis, flag);
      case 27:
        return !line ? cos(a) : logsumexp(a, axis, flag);
      case 28:
        return reshape(a, flag ? Shape{s.size()} : Shape{s.size(), 1});
      case 29:
        return rank == 0 ? sin(a) : flip(a, axis);
      case 30: {
        if (rank < 2) return broadcast_to(a, rank == 0 ? Shape{2} : Shape{2, s[0]});
        std::vector<std::int32_t> order(static_cast<std::size_t>(rank));
        for (int i = 0; i < rank; ++i) order[static_cast<std::size_t>(i)] = i;
        rng.permutation(order);
        const std::vector<int> axes(order.begin(), order.end());
        return permute(a, std::span<const int>(axes));
      }
      case 31: {
        if (rank == 0 || s[axis] < 2) return cos(a);
        return slice(a, axis, flag ? 1 : 0, flag ? s[axis] : s[axis] - 1);
      }
      case 32: {
        if (rank == 0 || s.size() > 40) return rank < 4 && !empty ? stack({a, a}, 0) : tanh(a);
        return concat({a, sin(a), a}, axis);
      }
      case 33: {
        if (rank == 0) return exp(tanh(a));
        const Var<T> flat =
            rank == 2 ? a : reshape(a, rank == 1 ? Shape{1, s[0]} : Shape{s.size(), 1});
        return flag ? matmul(flat, transpose(flat)) : matmul(transpose(flat), flat);
      }
      case 34: {
        if (rank == 0) return a * a;
        return flag ? softmax(a) : log_softmax(a);
      }
      case 35: {
        if (rank == 0 || empty) return tanh(a) * a;
        const std::vector<std::int32_t> rows(3, static_cast<std::int32_t>(s[0] - 1));
        if (flag && s.size() <= 40) return gather_rows(a, std::span<const std::int32_t>(rows));
        const Index d = s[rank - 1];
        const Var<T> row = broadcast_to(cos(mean(a)), {d});
        return layer_norm(a, row, sin(row), 0.1);
      }
      case 36: {
        if (rank != 4 || empty) return empty ? tanh(a) : mse(a, cos(a) + sin(a));
        return conv2d(a, a, mean(mean(mean(a, 3), 2), 1), {.stride = flag ? 1 : 2, .padding = 1});
      }
      case 37: {
        if (rank != 4 || empty) return tanh(a) + 0.1;
        const Index size = std::min(s[2], s[3]);
        return flag ? avg_pool2d(a, size, 1) : max_pool2d(spread(a, rng), size, 1);
      }
      case 38: {
        if (!line || empty) return sin(a) - 0.1;
        return flag ? max(spread(a, rng), axis) : max(spread(a, rng));
      }
      case 39: {
        if ((rank != 2 && rank != 4) || empty) return sigmoid(a) * a;
        const Var<T> row = broadcast_to(sin(mean(a)), {s[1]});
        return batch_norm(a, shift(row, 0.5), row, 0.1);
      }
      case 40: {
        if (rank != 2 || empty) return scale(square(a), 0.2);
        return loss(a, rng);
      }
      case 41: {
        if (rank != 2) return scale(a, 1.1);
        return linear(a, cos(a), sum(a, 1));
      }
      default:
        return planted(a);
    }
  }

  bool with_planted_;
  std::uint64_t seed_;
  Shape base_;
  std::vector<Shape> shapes_;
  std::vector<Tensor<double>> inputs_;
  std::vector<Tensor<double>> directions_;
  Rng body_{0};
};

/// |jvp - <gradient, v>| relative to the sum of the sizes of the terms; NaN when either is.
struct Disagreement {
  double relative;
  std::size_t ops;  // nodes on the tape
  bool flat;        // no term at all: every input is empty, or the gradient is zero
};

Disagreement disagreement(const RandomGraph& graph) {
  const auto& v = graph.directions();
  const auto forward =
      jvp([&](std::span<const Var<Dual>> in) { return graph(in); }, graph.inputs(), v);
  Tape<double> tape;
  std::vector<Var<double>> in;
  for (const auto& input : graph.inputs()) in.push_back(tape.variable(input));
  const Var<double> y = graph(std::span<const Var<double>>(in));
  tape.backward(y);
  double reverse = 0;
  double size = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto gradient = tape.gradient(in[i]);
    for (Index j = 0; j < gradient.size(); ++j) {
      reverse += gradient[j] * v[i][j];
      size += std::abs(gradient[j] * v[i][j]);
    }
  }
  // Where terms cancel inside the graph, what is left of them is right to the rounding of values
  // of size one only.
  return {std::abs(forward[0] - reverse) / std::max(1e-3, size), tape.nodes().size(), size == 0};
}

}  // namespace

TEST_CASE("property: forward and reverse mode agree on random graphs") {
  double worst = 0;
  std::size_t largest = 0;
  std::size_t ops = 0;
  std::uint64_t flat = 0;
  int wrong = 0;
  const std::uint64_t count = cases();
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    const RandomGraph graph(seed, false);
    const Disagreement d = disagreement(graph);
    largest = std::max(largest, d.ops);
    ops += d.ops;
    flat += d.flat;
    if (d.relative > worst) worst = d.relative;
    if (d.relative <= 1e-11) continue;
    ++wrong;
    UNSCOPED_INFO(graph.name() << " is off by " << d.relative);
  }
  INFO(count << " graphs, " << ops << " nodes, at most " << largest << " in one, " << flat
             << " flat, worst " << worst);
  CHECK(wrong == 0);
  CHECK(10 * flat < 2 * count);  // most graphs depend on their inputs
  CHECK(ops > 10 * count);
}

TEST_CASE("property: one wrong vjp among the ops is found, and by many graphs") {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    found += !(disagreement(RandomGraph(seed, true)).relative <= 1e-11);
  }
  INFO(found << " of 300 graphs find it");
  CHECK(found >= 30);
}
