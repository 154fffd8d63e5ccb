// Shapes that do not fit, numbers at the edge of a domain.
#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Message;

namespace {

/// Values of given shapes on one tape.
struct Values {
  Var<double> of(const Shape& shape) {
    tensors.emplace_back(shape, 1);
    return tape.variable(tensors.back());
  }

  std::vector<Tensor<double>> tensors;
  Tape<double> tape;
};

Var<double> cross_entropy(Var<double> logits, const std::vector<std::int32_t>& labels) {
  return softmax_cross_entropy(logits, std::span<const std::int32_t>(labels));
}

}  // namespace

TEST_CASE("ops: shapes that do not broadcast are refused, naming the op") {
  Values v;
  const auto a = v.of({2, 3});
  const auto b = v.of({4, 2});
  const std::string rest =
      ": shapes [2, 3] and [4, 2] do not broadcast: 3 and 2 (axis 1 from the end) must be equal, "
      "or "
      "one of them 1";
  CHECK_THROWS_MATCHES(add(a, b), ShapeError, Message("add" + rest));
  CHECK_THROWS_MATCHES(sub(a, b), ShapeError, Message("sub" + rest));
  CHECK_THROWS_MATCHES(mul(a, b), ShapeError, Message("mul" + rest));
  CHECK_THROWS_MATCHES(div(a, b), ShapeError, Message("div" + rest));
  CHECK_THROWS_MATCHES(pow(a, b), ShapeError, Message("pow" + rest));
  CHECK_THROWS_MATCHES(maximum(a, b), ShapeError, Message("maximum" + rest));
  CHECK_THROWS_MATCHES(minimum(a, b), ShapeError, Message("minimum" + rest));
}

TEST_CASE("ops: reductions refuse an axis that is not there, naming the op") {
  Values v;
  const auto a = v.of({2, 3});
  CHECK_THROWS_MATCHES(sum(a, 2), ShapeError,
                       Message("sum: axis 2 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_MATCHES(sum(a, -3, true), ShapeError,
                       Message("sum: axis -3 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_MATCHES(mean(a, 2), ShapeError,
                       Message("mean: axis 2 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_MATCHES(max(a, 2), ShapeError,
                       Message("max: axis 2 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_MATCHES(var(a, -3), ShapeError,
                       Message("var: axis -3 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_MATCHES(logsumexp(a, 2), ShapeError,
                       Message("logsumexp: axis 2 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_AS(sum(v.of({}), 0), ShapeError);
  CHECK_THROWS_AS(max(v.of({}), 0), ShapeError);
}

TEST_CASE("ops: shape changes that do not fit are refused") {
  Values v;
  CHECK_THROWS_MATCHES(reshape(v.of({2, 3}), {4, 2}), ShapeError,
                       Message("reshape: [2, 3] has 6 elements but [4, 2] has 8"));
  CHECK_THROWS_MATCHES(transpose(v.of({2, 3, 4})), ShapeError,
                       Message("transpose: x is [2, 3, 4], but must be a matrix (rank 2, not 3)"));
  CHECK_THROWS_AS(transpose(v.of({3})), ShapeError);
  CHECK_THROWS_MATCHES(
      broadcast_to(v.of({2, 3}), {2, 4}), ShapeError,
      Message("broadcast_to: [2, 3] does not stretch to [2, 4]: aligned at the end, each size must "
              "be equal or 1"));
  CHECK_THROWS_AS(broadcast_to(v.of({2, 3}), {3}), ShapeError);
  CHECK_THROWS_AS(broadcast_to(v.of({2, 3}), {2, 1}), ShapeError);
}

TEST_CASE("ops: matmul refuses what does not multiply") {
  Values v;
  CHECK_THROWS_MATCHES(
      matmul(v.of({2, 3}), v.of({4, 5})), ShapeError,
      Message("matmul: a is [2, 3] but b is [4, 5]: a columns (3) must equal b rows (4)"));
  CHECK_THROWS_MATCHES(
      matmul(v.of({3}), v.of({3, 5})), ShapeError,
      Message("matmul: a is [3] and b is [3, 5], but both need at least two axes; reshape a vector "
              "to one row or one column"));
  CHECK_THROWS_AS(matmul(v.of({2, 3}), v.of({3})), ShapeError);
  try {
    matmul(v.of({2, 2, 3}), v.of({4, 3, 5}));
    FAIL("accepted");
  } catch (const ShapeError& e) {
    CHECK(std::string(e.what()).rfind("matmul: ", 0) == 0);
  }
}

TEST_CASE("ops: linear refuses what does not fit") {
  Values v;
  CHECK_THROWS_MATCHES(
      linear(v.of({100, 3072}), v.of({50, 3071}), v.of({50})), ShapeError,
      Message("linear: x is [100, 3072] but w is [50, 3071]: x columns (3072) must equal w columns "
              "(3071)"));
  CHECK_THROWS_MATCHES(
      linear(v.of({4, 3}), v.of({2, 3}), v.of({3})), ShapeError,
      Message("linear: b is [3] but w is [2, 3]: b size (3) must equal w rows (2)"));
  CHECK_THROWS_MATCHES(
      linear(v.of({3}), v.of({3}), v.of({2})), ShapeError,
      Message("linear: x is [3], w is [3], b is [2], but x must be [..., in], w [out, in], b "
              "[out]"));
}

TEST_CASE("ops: classification refuses scalars and wrong labels") {
  Values v;
  CHECK_THROWS_MATCHES(softmax(v.of({})), ShapeError,
                       Message("softmax: x is a single number, but needs an axis of classes"));
  CHECK_THROWS_MATCHES(log_softmax(v.of({})), ShapeError,
                       Message("log_softmax: x is a single number, but needs an axis of classes"));
  CHECK_THROWS_MATCHES(cross_entropy(v.of({3}), {0, 1, 2}), ShapeError,
                       Message("softmax_cross_entropy: logits are [3], but must be [N, classes]"));
  CHECK_THROWS_MATCHES(
      cross_entropy(v.of({3, 4}), {0, 1}), ShapeError,
      Message("softmax_cross_entropy: logits are [3, 4] but there are 2 labels: rows (3) must "
              "equal labels (2)"));
  CHECK_THROWS_MATCHES(cross_entropy(v.of({3, 4}), {0, 4, 1}), ShapeError,
                       Message("softmax_cross_entropy: label 4 at row 1 is outside 0..3"));
  CHECK_THROWS_MATCHES(cross_entropy(v.of({3, 4}), {0, 1, -1}), ShapeError,
                       Message("softmax_cross_entropy: label -1 at row 2 is outside 0..3"));
}

TEST_CASE("ops: log and sqrt are NaN below zero, relu's slope at zero is zero") {
  const Tensor<double> x({2}, {-1, 0});
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  CHECK(std::isnan(log(v).value()[0]));
  CHECK(log(v).value()[1] == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(sqrt(v).value()[0]));
  CHECK(sqrt(v).value()[1] == 0);
  tape.backward(sum(relu(v)));
  CHECK(tape.gradient(v)[0] == 0);
  CHECK(tape.gradient(v)[1] == 0);
}

TEST_CASE("ops: NaN stays NaN through every elementwise function") {
  const Tensor<double> x({1}, {std::numeric_limits<double>::quiet_NaN()});
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  for (const auto op :
       {exp<double>, log<double>, sqrt<double>, square<double>, tanh<double>, sigmoid<double>,
        relu<double>, neg<double>, softmax<double>, log_softmax<double>, abs<double>, sin<double>,
        cos<double>, softplus<double>, gelu<double>, reciprocal<double>}) {
    CHECK(std::isnan(op(v).value()[0]));
  }
  CHECK(std::isnan(sum(v).item()));
  CHECK(std::isnan(max(v).item()));
  CHECK(std::isnan(var(v).item()));
  CHECK(std::isnan(logsumexp(v).item()));
  CHECK(std::isnan(leaky_relu(v).value()[0]));
  CHECK(std::isnan(clamp(v, -1, 1).value()[0]));
  CHECK(std::isnan(pow(v, 2).value()[0]));
  CHECK(std::isnan(dropout(v, 0, Rng(1)).value()[0]));
  const Var<double> one = v.tape().constant(1.0);
  CHECK(std::isnan(maximum(v, one).value()[0]));
  CHECK(std::isnan(maximum(one, v).value()[0]));
  CHECK(std::isnan(minimum(v, one).value()[0]));
  CHECK(std::isnan(minimum(one, v).value()[0]));
}

TEST_CASE("ops: the mean of nothing is NaN, the sum of nothing zero") {
  Values v;
  CHECK(std::isnan(mean(v.of({0, 3})).item()));
  CHECK(sum(v.of({0, 3})).item() == 0);
  CHECK(sum(v.of({0, 3}), 0).value()[2] == 0);
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(max(v.of({0, 3})).item() == -infinity);
  CHECK(max(v.of({0, 3}), 0).value()[2] == -infinity);
  CHECK(std::isnan(var(v.of({0, 3})).item()));
  CHECK(logsumexp(v.of({0, 3})).item() == -infinity);
  CHECK(logsumexp(v.of({0, 3}), 0).value()[2] == -infinity);
}

TEST_CASE("ops: softmax and cross-entropy survive huge logits") {
  const Tensor<double> x({2, 3}, {1e300, 0, -1e300, 5, 5, 5});
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  CHECK(softmax(v).value()[0] == 1);
  CHECK(softmax(v).value()[2] == 0);
  CHECK(log_softmax(v).value()[2] == -2e300);
  const Var<double> loss = cross_entropy(v, {0, 1});
  CHECK(!(std::abs(loss.item() - std::log(3) / 2) > 1e-15));
  tape.backward(loss);
  CHECK(tape.gradient(v)[0] == 0);
}

// ---- losses, normalization, images ----

TEST_CASE("ops: losses refuse labels and targets that do not fit") {
  Values v;
  const auto hinge = [](Var<double> scores, const std::vector<std::int32_t>& labels) {
    return multiclass_hinge(scores, std::span<const std::int32_t>(labels));
  };
  CHECK_THROWS_MATCHES(hinge(v.of({3}), {0, 1, 2}), ShapeError,
                       Message("multiclass_hinge: scores are [3], but must be [N, classes]"));
  CHECK_THROWS_MATCHES(hinge(v.of({3, 4}), {0, 1}), ShapeError,
                       Message("multiclass_hinge: scores are [3, 4] but there are 2 labels: rows "
                               "(3) must equal labels (2)"));
  CHECK_THROWS_MATCHES(hinge(v.of({3, 4}), {0, 4, 1}), ShapeError,
                       Message("multiclass_hinge: label 4 at row 1 is outside 0..3"));
  const Tensor<double> targets({2, 3});
  CHECK_THROWS_MATCHES(softmax_cross_entropy(v.of({3, 2}), targets), ShapeError,
                       Message("softmax_cross_entropy: logits are [3, 2] but targets are [2, 3]: "
                               "their shapes must be equal"));
  CHECK_THROWS_MATCHES(softmax_cross_entropy(v.of({6}), targets), ShapeError,
                       Message("softmax_cross_entropy: logits are [6], but must be [N, classes]"));
  CHECK_THROWS_MATCHES(
      binary_cross_entropy_with_logits(v.of({2}), targets), ShapeError,
      Message("binary_cross_entropy_with_logits: logits are [2] but targets are [2, 3]: "
              "their shapes must be equal"));
  CHECK_THROWS_MATCHES(mse(v.of({3, 1}), v.of({3})), ShapeError,
                       Message("mse: a is [3, 1] but b is [3]: their shapes must be equal, nothing "
                               "broadcasts; reshape one"));
}

TEST_CASE("ops: normalization refuses what does not fit") {
  Values v;
  const auto c = v.of({2});
  CHECK_THROWS_MATCHES(batch_norm(v.of({4}), c, c), ShapeError,
                       Message("batch_norm: x is [4], but must be [N, C] or [N, C, H, W]"));
  CHECK_THROWS_AS(batch_norm(v.of({4, 2, 3}), c, c), ShapeError);
  CHECK_THROWS_MATCHES(batch_norm(v.of({4, 3}), c, c), ShapeError,
                       Message("batch_norm: gamma is [2] but x is [4, 3]: it must be [3], one "
                               "number for each channel"));
  CHECK_THROWS_MATCHES(batch_norm(v.of({4, 2}), c, v.of({2, 1})), ShapeError,
                       Message("batch_norm: beta is [2, 1] but x is [4, 2]: it must be [2], one "
                               "number for each channel"));
  const Tensor<double> two({2});
  const Tensor<double> three({3});
  CHECK_THROWS_MATCHES(batch_norm(v.of({4, 2}), c, c, three, two), ShapeError,
                       Message("batch_norm: mean is [3] but x is [4, 2]: it must be [2], one "
                               "number for each channel"));
  CHECK_THROWS_MATCHES(batch_norm(v.of({4, 2}), c, c, two, three), ShapeError,
                       Message("batch_norm: var is [3] but x is [4, 2]: it must be [2], one "
                               "number for each channel"));
  CHECK_THROWS_MATCHES(batch_norm(v.of({4, 2}), c, c, -1), OptionError,
                       Message("batch_norm: eps is -1, but must be at least 0"));
  CHECK_THROWS_MATCHES(
      layer_norm(v.of({}), c, c), ShapeError,
      Message("layer_norm: x is a single number, but needs an axis to normalize along"));
  CHECK_THROWS_MATCHES(layer_norm(v.of({4, 3}), c, c), ShapeError,
                       Message("layer_norm: gamma is [2] but x is [4, 3]: it must be [3], one "
                               "number for each column"));
  CHECK_THROWS_MATCHES(layer_norm(v.of({4, 2}), c, c, std::nan("")), OptionError,
                       Message("layer_norm: eps is nan, but must be at least 0"));
}

TEST_CASE("ops: conv2d refuses what does not fit") {
  Values v;
  const auto x = v.of({2, 3, 5, 6});
  const auto w = v.of({4, 3, 3, 3});
  const auto b = v.of({4});
  CHECK_THROWS_MATCHES(
      conv2d(v.of({3, 5, 6}), w, b), ShapeError,
      Message("conv2d: x is [3, 5, 6], w is [4, 3, 3, 3], b is [4], but x must be [N, Cin, H, W], "
              "w [Cout, Cin, kh, kw], b [Cout]"));
  CHECK_THROWS_MATCHES(conv2d(x, v.of({4, 2, 3, 3}), b), ShapeError,
                       Message("conv2d: x is [2, 3, 5, 6] but w is [4, 2, 3, 3]: x channels (3) "
                               "must equal w input channels (2)"));
  CHECK_THROWS_MATCHES(conv2d(x, w, v.of({3})), ShapeError,
                       Message("conv2d: b is [3] but w is [4, 3, 3, 3]: b size (3) must equal w "
                               "output channels (4)"));
  CHECK_THROWS_MATCHES(conv2d(x, w, b, {.stride = 0}), OptionError,
                       Message("conv2d: stride is 0 and padding 0, but stride must be in [1, 2^31] "
                               "and padding in [0, 2^31]"));
  CHECK_THROWS_AS(conv2d(x, w, b, {.padding = -1}), OptionError);
  CHECK_THROWS_AS(conv2d(x, w, b, {.padding = Index{1} << 62}), OptionError);
  CHECK_THROWS_MATCHES(
      conv2d(x, v.of({4, 3, 6, 3}), b), ShapeError,
      Message("conv2d: x is [2, 3, 5, 6], so a kernel of 6 x 3 does not fit into 5 x 6"));
  CHECK_THROWS_MATCHES(conv2d(x, v.of({4, 3, 3, 9}), b, {.padding = 1}), ShapeError,
                       Message("conv2d: x is [2, 3, 5, 6], so a kernel of 3 x 9 does not fit into "
                               "7 x 8 (with padding)"));
  CHECK_THROWS_AS(conv2d(x, v.of({4, 3, 0, 3}), b), ShapeError);
}

TEST_CASE("ops: pooling refuses what does not fit") {
  Values v;
  const auto x = v.of({2, 3, 5, 6});
  CHECK_THROWS_MATCHES(max_pool2d(v.of({3, 5}), 2, 2), ShapeError,
                       Message("max_pool2d: x is [3, 5], but must be [N, C, H, W]"));
  CHECK_THROWS_MATCHES(
      avg_pool2d(x, 0, 2), OptionError,
      Message("avg_pool2d: size is 0 and stride 2, but both must be at least 1 and stride "
              "at most 2^31"));
  CHECK_THROWS_MATCHES(
      max_pool2d(x, 2, 0), OptionError,
      Message("max_pool2d: size is 2 and stride 0, but both must be at least 1 and stride "
              "at most 2^31"));
  CHECK_THROWS_MATCHES(
      avg_pool2d(x, 6, 1), ShapeError,
      Message("avg_pool2d: x is [2, 3, 5, 6], so a window of 6 x 6 does not fit into 5 x 6"));
}

TEST_CASE("ops: the hinge's slope at its kink is zero") {
  const Tensor<double> s({1, 3}, {1, 2, 3});
  const std::vector<std::int32_t> label{2};
  Tape<double> tape;
  const Var<double> v = tape.variable(s);
  const Var<double> loss = multiclass_hinge(v, std::span<const std::int32_t>(label));
  CHECK(loss.item() == 0);  // margins -1 and exactly 0
  tape.backward(loss);
  for (Index i = 0; i < 3; ++i) CHECK(tape.gradient(v)[i] == 0);
}

TEST_CASE("ops: of equal numbers in a window the first takes max_pool2d's gradient") {
  const Tensor<double> x({1, 1, 2, 2}, {1, 5, 5, 5});
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  tape.backward(sum(max_pool2d(v, 2, 2)));
  CHECK(Tensor<double>(tape.gradient(v)) == Tensor<double>({1, 1, 2, 2}, {0, 1, 0, 0}));
}

TEST_CASE("ops: binary cross-entropy survives huge logits and keeps tiny losses") {
  const Tensor<double> x({4}, {1e300, -1e300, 40, -40});
  const Tensor<double> t({4}, {1, 0, 1, 0});
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  const Var<double> loss = binary_cross_entropy_with_logits(v, t);
  CHECK(!(std::abs(loss.item() / (std::exp(-40) / 2) - 1) > 1e-14));
  tape.backward(loss);
  CHECK(tape.gradient(v)[0] == 0);
  CHECK(tape.gradient(v)[1] == 0);
  const Var<double> wrong = binary_cross_entropy_with_logits(scale(v, -1), t);
  CHECK(!(std::abs(wrong.item() / 5e299 - 1) > 1e-14));
}

TEST_CASE("ops: NaN stays NaN through losses, normalization and images") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor<double> x({1, 1, 2, 2}, {1, nan, 3, 2});
  const Tensor<double> one({1}, 1);
  const Tensor<double> kernel({1, 1, 2, 2}, 1);
  const std::vector<std::int32_t> label{0};
  const std::span<const std::int32_t> y(label);
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  const Var<double> c = tape.constant(one);
  const Var<double> row = reshape(v, {1, 4});
  CHECK(std::isnan(max_pool2d(v, 2, 2).item()));
  CHECK(std::isnan(avg_pool2d(v, 2, 2).item()));
  CHECK(std::isnan(conv2d(v, tape.constant(kernel), c).item()));
  CHECK(std::isnan(batch_norm(v, c, c).value()[0]));
  CHECK(std::isnan(layer_norm(v, broadcast_to(c, {2}), broadcast_to(c, {2})).value()[0]));
  CHECK(std::isnan(multiclass_hinge(row, y).item()));
  CHECK(std::isnan(softmax_cross_entropy(row, Tensor<double>({1, 4}, 0.25)).item()));
  CHECK(std::isnan(binary_cross_entropy_with_logits(row, Tensor<double>({1, 4}, 0.25)).item()));
  CHECK(std::isnan(mse(row, row).item()));
}

TEST_CASE("ops: targets are copied, batch statistics are told") {
  Tensor<double> t({2, 2}, {1, 0, 0, 1});
  const Tensor<double> x({2, 2}, {1, 2, 3, 6});
  const Tensor<double> one({2}, 1);
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  const Var<double> loss = softmax_cross_entropy(v, t);
  std::fill(t.begin(), t.end(), 100.0);
  BatchStatistics<double> measured;
  batch_norm(v, tape.constant(one), tape.constant(one), 0, &measured);
  CHECK(Tensor<double>(measured.mean) == Tensor<double>({2}, {2, 4}));
  CHECK(Tensor<double>(measured.var) == Tensor<double>({2}, {1, 4}));
  tape.backward(loss);
  const double p = 1 / (1 + std::exp(1.0));
  CHECK(!(std::abs(tape.gradient(v)[0] - (p - 1) / 2) > 1e-15));
}

TEST_CASE("ops: cross-entropy of no samples runs both passes") {
  Values v;
  const auto logits = v.of({0, 3});
  const auto loss = cross_entropy(logits, {});
  CHECK(loss.shape() == Shape{});
  v.tape.backward(loss);
  CHECK(v.tape.gradient(logits).size() == 0);
}

TEST_CASE("ops: conv2d takes strides and padding up to 2^31") {
  Tape<double> tape;
  const Tensor<double> x({0, 1, 1, 1}), w({1, 1, 1, 1}), b({1});
  const Var<double> y = conv2d(tape.constant(x), tape.constant(w), tape.constant(b),
                               {.stride = Index{1} << 31, .padding = Index{1} << 31});
  CHECK(y.shape() == Shape{0, 1, 3, 3});
}
