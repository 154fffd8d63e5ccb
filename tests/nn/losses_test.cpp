#include "nn/losses.h"

#include <algorithm>
#include <cmath>

#include "autograd/gradcheck.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

const std::vector<std::int32_t> labels{2, 0, 1};

Tensor<double> logits() { return Rng(3).normal<double>({3, 4}, 1); }

double loss_of(const nn::Loss<double>& loss) {
  const Tensor<double> x = logits();
  NoGrad<double> tape;
  return loss(tape.constant(x), labels).item();
}

double log_softmax(const double* row, Index k) {
  double total = 0;
  for (Index j = 0; j < 4; ++j) total += std::exp(row[j]);
  return row[k] - std::log(total);
}

double relative_error(double x, double expected) {
  return std::abs(x - expected) / std::abs(expected);
}

}  // namespace

TEST_CASE("losses: softmax with label smoothing, by its definition") {
  const Tensor<double> x = logits();
  for (const double s : {0.0, 0.1, 0.5}) {
    double expected = 0;
    for (Index n = 0; n < 3; ++n) {
      for (Index k = 0; k < 4; ++k) {
        const bool hit = k == labels[static_cast<std::size_t>(n)];
        const double target = (1 - s) * (hit ? 1 : 0) + s / 4;
        expected -= target * log_softmax(x.data() + 4 * n, k) / 3;
      }
    }
    CHECK(relative_error(loss_of(nn::SoftmaxCrossEntropy<double>{s}), expected) < 1e-13);
    CHECK(relative_error(loss_of(nn::make_loss<double>("softmax", s)), expected) < 1e-13);
  }
}

TEST_CASE("losses: K sigmoids average over classes and samples") {
  const Tensor<double> x = logits();
  double expected = 0;
  for (Index n = 0; n < 3; ++n) {
    for (Index k = 0; k < 4; ++k) {
      const double p = 1 / (1 + std::exp(-x[4 * n + k]));
      const bool hit = k == labels[static_cast<std::size_t>(n)];
      expected -= std::log(hit ? p : 1 - p) / 4 / 3;
    }
  }
  CHECK(relative_error(loss_of(nn::make_loss<double>("sigmoid")), expected) < 1e-13);
}

TEST_CASE("losses: the hinge counts classes within the margin") {
  const Tensor<double> x = logits();
  double expected = 0;
  for (Index n = 0; n < 3; ++n) {
    const Index label = labels[static_cast<std::size_t>(n)];
    for (Index k = 0; k < 4; ++k) {
      if (k != label) expected += std::max(0.0, 1 + x[4 * n + k] - x[4 * n + label]) / 3;
    }
  }
  CHECK(relative_error(loss_of(nn::make_loss<double>("hinge")), expected) < 1e-13);
}

TEST_CASE("losses: their gradients are right, and a planted fault is not") {
  const auto check = [](const nn::Loss<double>& loss) {
    return gradcheck({logits()},
                     [&](std::span<const Var<double>> in) { return loss(in[0], labels); });
  };
  CHECK(check(nn::SoftmaxCrossEntropy<double>{0.1}).passed());
  CHECK(check(nn::SigmoidCrossEntropy<double>{}).passed());
  CHECK(check(nn::MulticlassHinge<double>{}).passed());
  // The value of one loss with the gradient of another.
  const auto faulty = [](Var<double> x, std::span<const std::int32_t> y) {
    const Var<double> right = nn::SoftmaxCrossEntropy<double>{0.1}(x, y);
    const Var<double> other = nn::SoftmaxCrossEntropy<double>{0.2}(x, y);
    return other + x.tape().constant(right.item() - other.item());
  };
  CHECK_FALSE(check(faulty).passed());
}

TEST_CASE("losses: bad names, smoothing and labels are refused") {
  CHECK_THROWS_WITH(nn::make_loss<float>("squared"),
                    "there is no loss 'squared': there are softmax, sigmoid, hinge");
  CHECK_THROWS_AS(nn::make_loss<float>("softmax", 1), OptionError);
  CHECK_THROWS_AS(nn::make_loss<float>("softmax", std::nan("")), OptionError);
  CHECK_THROWS_AS(nn::make_loss<float>("hinge", 0.1), OptionError);
  const Tensor<double> x = logits();
  NoGrad<double> tape;
  const std::vector<std::int32_t> outside{2, 0, 4}, few{1};
  CHECK_THROWS_WITH(nn::SigmoidCrossEntropy<double>{}(tape.constant(x), outside),
                    "binary_cross_entropy_with_logits: label 4 at row 2 is outside 0..3");
  CHECK_THROWS_AS(nn::SoftmaxCrossEntropy<double>{0.1}(tape.constant(x), few), ShapeError);
}
