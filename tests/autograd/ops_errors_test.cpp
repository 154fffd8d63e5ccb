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
  CHECK_THROWS_AS(sum(v.of({}), 0), ShapeError);
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
      linear(v.of({3}), v.of({2, 3}), v.of({2})), ShapeError,
      Message("linear: x is [3], w is [2, 3], b is [2], but x must be [N, in], w [out, in], b "
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
        relu<double>, neg<double>, softmax<double>, log_softmax<double>}) {
    CHECK(std::isnan(op(v).value()[0]));
  }
  CHECK(std::isnan(sum(v).item()));
}

TEST_CASE("ops: the mean of nothing is NaN, the sum of nothing zero") {
  Values v;
  CHECK(std::isnan(mean(v.of({0, 3})).item()));
  CHECK(sum(v.of({0, 3})).item() == 0);
  CHECK(sum(v.of({0, 3}), 0).value()[2] == 0);
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

TEST_CASE("ops: cross-entropy of no samples runs both passes") {
  Values v;
  const auto logits = v.of({0, 3});
  const auto loss = cross_entropy(logits, {});
  CHECK(loss.shape() == Shape{});
  v.tape.backward(loss);
  CHECK(v.tape.gradient(logits).size() == 0);
}
