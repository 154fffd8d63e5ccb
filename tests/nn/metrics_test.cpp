#include "nn/metrics.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/tensor.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

template <Scalar T>
Index correct(const Tensor<T>& logits, const std::vector<std::int32_t>& labels) {
  return nn::count_correct<T>(logits, std::span<const std::int32_t>(labels));
}

template <Scalar T>
double accuracy(const Tensor<T>& logits, const std::vector<std::int32_t>& labels) {
  return nn::accuracy<T>(logits, std::span<const std::int32_t>(labels));
}

}  // namespace

TEMPLATE_TEST_CASE("accuracy: the fraction of rows whose largest number is at the label", "", float,
                   double) {
  const Tensor<TestType> logits({4, 3}, {1, 2, 3, 9, 2, 3, -1, -2, -3, 0, 5, 4});
  CHECK(correct(logits, {2, 0, 0, 1}) == 4);
  CHECK(correct(logits, {2, 0, 2, 2}) == 2);
  CHECK(accuracy(logits, {2, 0, 0, 2}) == 0.75);
  CHECK(accuracy(logits, {0, 1, 1, 0}) == 0);
}

TEST_CASE("accuracy: on a tie the first class counts") {
  const Tensor<double> logits({3, 3}, {1, 1, 1, 0, 2, 2, 3, 1, 3});
  CHECK(correct(logits, {0, 1, 0}) == 3);
  CHECK(correct(logits, {1, 2, 2}) == 0);
}

TEST_CASE("accuracy: of no rows is NaN") {
  CHECK(std::isnan(accuracy(Tensor<double>({0, 3}), {})));
  CHECK(correct(Tensor<double>({0, 3}), {}) == 0);
}

TEST_CASE("accuracy: a row with a NaN is right for no label") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::int32_t label : {0, 1, 2}) {
    CHECK(correct(Tensor<double>({1, 3}, {nan, nan, nan}), {label}) == 0);
    CHECK(correct(Tensor<double>({1, 3}, {1, nan, 2}), {label}) == 0);
  }
}

TEST_CASE("accuracy: another number of labels is refused") {
  const Tensor<double> logits({2, 3}, 1);
  CHECK_THROWS_MATCHES(
      correct(logits, {0}), ShapeError,
      Catch::Matchers::Message("accuracy: logits are [2, 3] but there are 1 labels"));
  CHECK_THROWS_AS(correct(logits, {0, 1, 2}), ShapeError);
  CHECK_THROWS_AS(correct(Tensor<double>({3}, 1), {0, 1, 2}), ShapeError);
}
