// Every op against finite differences, over shapes and sharings that break sloppy vjps.
#include "autograd/ops.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/gradcheck_report.h"
#include "tensor/random.h"
#include "tests/autograd/declared_ops.h"
#include "tests/autograd/ops_table.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::test;

namespace {

/// No element to difference: runs both passes and checks the gradients' shapes.
void check_empty(const Example& example) {
  const auto inputs = random_inputs(example, 1);
  Tape<double> tape;
  std::vector<Var<double>> in;
  for (const auto& input : inputs) in.push_back(tape.variable(input));
  const Var<double> loss = sum(example.f(in));
  tape.backward(loss);
  for (std::size_t i = 0; i < in.size(); ++i) {
    CHECK(tape.gradient(in[i]).shape() == example.shapes[i]);
  }
}

}  // namespace

TEST_CASE("ops: every op declared in ops.h has a row") {
  const auto declared = declared_ops();
  std::set<std::string> rows;
  for (const auto& [op, examples] : table()) rows.insert(op);
  CHECK(declared.size() >= 53);
  CHECK(declared == rows);
}

TEST_CASE("ops: gradients agree with finite differences in every example") {
  int checked = 0;
  int empty = 0;
  for (const auto& [op, examples] : table()) {
    for (const auto& example : examples) {
      INFO(describe(op, example));
      Index elements = 0;
      for (const Shape& shape : example.shapes) elements += shape.size();
      if (elements == 0) {
        check_empty(example);
        ++empty;
        continue;
      }
      const auto report = gradcheck(random_inputs(example, 42), example.f, {.tolerance = 1e-8});
      INFO(to_string(report));
      CHECK(report.passed());
      for (const auto& p : report.parameters) CHECK(p.compared == p.shape.size());
      ++checked;
    }
  }
  INFO(fmt::format("{} examples differenced, {} empty", checked, empty));
  CHECK(checked > 750);
  CHECK(empty > 150);
}

TEST_CASE("ops: float gives what double gives") {
  const Tensor<double> x = Rng(3).uniform<double>({4, 5}, 0.3, 1.6);
  const Tensor<float> y = Rng(3).uniform<float>({4, 5}, 0.3, 1.6);
  const auto run = []<Scalar T>(const Tensor<T>& input) {
    static const std::vector<std::int32_t> labels{0, 1, 4, 2};
    Tape<T> tape;
    const Var<T> v = tape.variable(input);
    const Var<T> w = matmul(transpose(exp(v)), sqrt(v) + log(v) * tanh(sigmoid(v)));
    tape.backward(
        softmax_cross_entropy(div(v, mean(w)) - 1, std::span<const std::int32_t>(labels)));
    return Tensor<T>(tape.gradient(v));
  };
  const Tensor<double> in_double = run(x);
  const Tensor<float> in_float = run(y);
  for (Index i = 0; i < x.size(); ++i) {
    CHECK(!(std::abs(in_double[i] - double{in_float[i]}) > 1e-5));
  }
}

/// Every loss, normalization and image op on one path; the gradients of both inputs.
template <Scalar T>
std::pair<Tensor<T>, Tensor<T>> image_gradients(const Tensor<T>& images, const Tensor<T>& kernel) {
  static const std::vector<std::int32_t> label_numbers{0, 2};
  const std::span<const std::int32_t> labels(label_numbers);
  const Tensor<T> ones({3}, 1);
  const Tensor<T> targets({2, 3}, T(0.25));
  Tape<T> tape;
  const Var<T> x = tape.variable(images);
  const Var<T> w = tape.variable(kernel);
  const Var<T> c = tape.constant(ones);
  const Var<T> y = batch_norm(conv2d(x, w, c, {.stride = 1, .padding = 1}), c, c);
  const Var<T> pooled = avg_pool2d(max_pool2d(y, 2, 1), 5, 1);
  const Var<T> z = layer_norm(reshape(pooled, {2, 3}), c, c, 0.1);
  tape.backward(softmax_cross_entropy(z, labels) + softmax_cross_entropy(z, targets) +
                multiclass_hinge(z, labels) + binary_cross_entropy_with_logits(z, targets) +
                mse(z, scale(z, T(0.5))));
  return {Tensor<T>(tape.gradient(x)), Tensor<T>(tape.gradient(w))};
}

TEST_CASE("ops: losses, normalization and images in float give what they give in double") {
  const auto images = [](auto zero) { return Rng(3).uniform<decltype(zero)>({2, 2, 6, 6}, -1, 1); };
  const auto kernel = [](auto zero) { return Rng(4).uniform<decltype(zero)>({3, 2, 3, 3}, -1, 1); };
  const auto [dx, dw] = image_gradients<double>(images(0.0), kernel(0.0));
  const auto [dxf, dwf] = image_gradients<float>(images(0.0F), kernel(0.0F));
  const auto differ = [](const Tensor<double>& a, const Tensor<float>& b) {
    double largest = 0;
    for (const double number : a) largest = std::max(largest, std::abs(number));
    int count = 0;
    for (Index i = 0; i < a.size(); ++i) {
      count += !(std::abs(a[i] - double{b[i]}) <= 1e-5 * largest) ? 1 : 0;
    }
    return count;
  };
  CHECK(differ(dx, dxf) == 0);
  CHECK(differ(dw, dwf) == 0);
  Tensor<float> wrong = dwf;
  wrong[7] += 1e-3F;
  wrong[9] = std::numeric_limits<float>::quiet_NaN();
  CHECK(differ(dw, wrong) == 2);
}

TEST_CASE("ops: operators are the functions they stand for") {
  const Tensor<double> a({2}, {3, -4});
  const Tensor<double> b({2}, {2, 8});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  const Var<double> y = tape.variable(b);
  const auto is = [](Var<double> v, double first, double second) {
    return v.value()[0] == first && v.value()[1] == second;
  };
  CHECK(is(x + y, 5, 4));
  CHECK(is(x - y, 1, -12));
  CHECK(is(x * y, 6, -32));
  CHECK(is(x / y, 1.5, -0.5));
  CHECK(is(-x, -3, 4));
  CHECK(is(x + 2, 5, -2));
  CHECK(is(2 + x, 5, -2));
  CHECK(is(x - 2, 1, -6));
  CHECK(is(2 - x, -1, 6));
  CHECK(is(x * 2, 6, -8));
  CHECK(is(2 * x, 6, -8));
  CHECK(is(x / 2, 1.5, -2));
  CHECK(is(12 / x, 4, -3));
  tape.backward(sum((12 / x) - (x / 2) + 2 * (3 - x) * y));
  CHECK(tape.gradient(x)[0] == -12.0 / 9 - 0.5 - 4);
  CHECK(tape.gradient(x)[1] == -12.0 / 16 - 0.5 - 16);
}
