// The layers that are more than one op: their values, parameters and modes.
#include <cmath>

#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/pooling.h"
#include "nn/sequential.h"
#include "nn/state.h"
#include "nn/summary.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

template <Scalar T>
std::vector<std::string> names(const ParameterList<T>& all) {
  std::vector<std::string> result;
  for (const auto& p : all) result.push_back(p.name);
  return result;
}

bool near(View<const double> a, const std::vector<double>& b) {
  if (a.size() != std::ssize(b)) return false;
  for (Index i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[static_cast<std::size_t>(i)]) <= 1e-14)) return false;
  }
  return true;
}

/// A small convolutional net for images [N, 2, 6, 6].
template <Scalar T>
void build(nn::Sequential<T>& net) {
  Rng rng(400);
  net.template add<nn::Conv2d<T>>(2, 3, 3, rng, Conv2dOptions{.stride = 1, .padding = 1});
  net.template add<nn::BatchNorm<T>>(3);
  net.template add<nn::Relu<T>>();
  net.template add<nn::MaxPool2d<T>>(2);
  net.template add<nn::Flatten<T>>();
  net.template add<nn::Dropout<T>>(0.5, rng);
  net.template add<nn::Linear<T>>(27, 4, rng);
}

template <Scalar T>
Tensor<T> value(nn::Module<T>& module, const Tensor<T>& x) {
  NoGrad<T> tape;
  return Tensor<T>(module(tape.constant(x)).value());
}

/// One pass on a tape that records.
void pass(nn::Module<double>& module, const Tensor<double>& x) {
  Tape<double> tape;
  module(tape.constant(x));
}

}  // namespace

TEST_CASE("batch norm: its parameters, two of them frozen") {
  nn::BatchNorm<double> layer(3);
  CHECK(names(layer.parameters()) ==
        std::vector<std::string>{"weight", "bias", "running_mean", "running_var"});
  CHECK(near(layer.weight.value(), {1, 1, 1}));
  CHECK(near(layer.bias.value(), {0, 0, 0}));
  CHECK(near(layer.running_mean.value(), {0, 0, 0}));
  CHECK(near(layer.running_var.value(), {1, 1, 1}));
  CHECK_FALSE(layer.weight.frozen());
  CHECK(layer.running_mean.frozen());
  CHECK(layer.running_var.frozen());
}

TEST_CASE("batch norm: running statistics by hand, with the unbiased variance") {
  nn::BatchNorm<double> layer(2);
  const Tensor<double> x({2, 2}, {1, 2, 3, 8});  // means 2, 5; variances 1, 9; unbiased 2, 18
  pass(layer, x);
  CHECK(near(layer.running_mean.value(), {0.2, 0.5}));
  CHECK(near(layer.running_var.value(), {1.1, 2.7}));
  pass(layer, x);
  CHECK(near(layer.running_mean.value(), {0.38, 0.95}));
  CHECK(near(layer.running_var.value(), {1.19, 4.23}));
}

TEST_CASE("batch norm: the momentum is settable, one sample has variance zero") {
  nn::BatchNorm<double> layer(2, 0.5);
  pass(layer, Tensor<double>({1, 2}, {4, 6}));
  CHECK(near(layer.running_mean.value(), {2, 3}));
  CHECK(near(layer.running_var.value(), {0.5, 0.5}));
  pass(layer, Tensor<double>({0, 2}));
  CHECK(near(layer.running_mean.value(), {2, 3}));
}

TEST_CASE("batch norm: evaluation uses the running statistics and leaves them alone") {
  nn::BatchNorm<double> layer(2, 0.1, 0);
  const Tensor<double> mean({2}, {1, 2});
  const Tensor<double> var({2}, {4, 9});
  std::copy(mean.begin(), mean.end(), layer.running_mean.write().begin());
  std::copy(var.begin(), var.end(), layer.running_var.write().begin());
  layer.bias.write()[1] = 10;
  const Tensor<double> x({1, 2}, {5, -1});
  const Tensor<double> in_training = value<double>(layer, x);
  CHECK_FALSE(near(in_training, {2, 9}));
  layer.set_training(false);
  CHECK(near(value<double>(layer, x), {2, 9}));
  pass(layer, x);
  CHECK(near(layer.running_mean.value(), {1, 2}));
  CHECK(near(layer.running_var.value(), {4, 9}));
  layer.set_training(true);
  pass(layer, Tensor<double>({2, 2}, {5, -1, 5, 1}));
  CHECK_FALSE(near(layer.running_mean.value(), {1, 2}));
}

TEST_CASE("batch norm: looking at a model does not move its running statistics") {
  nn::BatchNorm<double> layer(2);
  value(layer, Tensor<double>({2, 2}, {1, 2, 3, 8}));
  nn::summary(layer, {5, 2});
  CHECK(near(layer.running_mean.value(), {0, 0}));
  CHECK(near(layer.running_var.value(), {1, 1}));
}

TEST_CASE("batch norm: an optimizer moves weight and bias and not the statistics") {
  nn::BatchNorm<double> layer(2);
  optim::Sgd<double> sgd(optim::one_group(layer.parameters()), [](Index) { return 0.1; });
  const Tensor<double> x({2, 2}, {1, 2, 3, 8});
  Tape<double> tape;
  tape.backward(sum(square(shift(layer(tape.constant(x)), 1))));
  const Tensor<double> mean(layer.running_mean.value());
  const Tensor<double> var(layer.running_var.value());
  sgd.step();
  CHECK(Tensor<double>(layer.running_mean.value()) == mean);
  CHECK(Tensor<double>(layer.running_var.value()) == var);
  CHECK_FALSE(near(layer.bias.value(), {0, 0}));
  CHECK_FALSE(near(layer.weight.value(), {1, 1}));
}

TEST_CASE("batch norm: a loaded net evaluates as the saved one does") {
  nn::Sequential<double> net;
  nn::Sequential<double> other;
  build(net);
  build(other);
  const Tensor<double> x = Rng(1).normal<double>({5, 2, 6, 6}, 2);
  for (int i = 0; i < 3; ++i) pass(net, x);
  Safetensors file;
  nn::store_parameters(file, net.parameters());
  CHECK(file.tensors.count("1.running_mean") == 1);
  CHECK(file.tensors.count("1.running_var") == 1);
  net.set_training(false);
  other.set_training(false);
  CHECK_FALSE(value(net, x) == value(other, x));
  nn::restore_parameters(file, "file", other.parameters());
  CHECK(value(net, x) == value(other, x));
}

TEST_CASE("sequential: the mode reaches every layer, through nested nets too") {
  nn::Sequential<double> net;
  Rng rng(1);
  auto& inner = net.add<nn::Sequential<double>>();
  inner.add<nn::BatchNorm<double>>(2);
  net.add<nn::Dropout<double>>(0.5, rng);
  const Tensor<double> x({3, 2}, {1, 2, 3, 4, 5, 9});
  CHECK_FALSE(value(net, x) == value(net, x));
  net.set_training(false);
  CHECK(value(net, x) == value(net, x));
  const double rstd = 1 / std::sqrt(1 + 1e-5);
  CHECK(near(value(net, x), {rstd, 2 * rstd, 3 * rstd, 4 * rstd, 5 * rstd, 9 * rstd}));
  net.set_training(true);
  CHECK_FALSE(value(net, x) == value(net, x));
}

namespace {

// A part of a model that is no module.
struct Block {
  explicit Block(Rng& rng) : drop(0.5, rng) {}
  void collect(ParameterList<double>& all) { all.add("drop", drop); }

  nn::Dropout<double> drop;
};

// Says in collect what it is made of, and no more.
struct Tail final : nn::Module<double> {
  nn::Sequential<double> first;
  Block block;

  explicit Tail(Rng& rng) : block(rng) { first.add<nn::BatchNorm<double>>(2); }
  Var<double> forward(Var<double> x) override { return block.drop(first(x)); }
  void collect(ParameterList<double>& all) override { all.add("first", first).add("block", block); }
};

}  // namespace

TEST_CASE("module: evaluation reaches all that collect names") {
  Rng rng(1);
  nn::Sequential<double> net;
  Tail& tail = net.add<Tail>(rng);
  tail.first.set_training(true);
  const Tensor<double> x({3, 2}, {1, 2, 3, 4, 5, 9});
  CHECK_FALSE(value(net, x) == value(net, x));
  net.set_training(false);
  const double rstd = 1 / std::sqrt(1 + 1e-5);
  CHECK(near(value(net, x), {rstd, 2 * rstd, 3 * rstd, 4 * rstd, 5 * rstd, 9 * rstd}));
  net.set_training(true);
  CHECK_FALSE(value(net, x) == value(net, x));
}

TEST_CASE("layers: settings out of range are refused when a layer is made") {
  Rng rng(1);
  CHECK_THROWS_WITH((nn::BatchNorm<float>(3, 1.5)),
                    "BatchNorm: momentum is 1.5, but must be in [0, 1]");
  CHECK_THROWS_AS((nn::BatchNorm<float>(3, 0.1, -1)), OptionError);
  CHECK_THROWS_AS((nn::LayerNorm<float>(3, std::nan(""))), OptionError);
  CHECK_THROWS_AS((nn::Dropout<float>(1, rng)), OptionError);
  CHECK_NOTHROW((nn::BatchNorm<float>(3, 1, 0)));
  CHECK_NOTHROW((nn::Dropout<float>(0, rng)));
}

TEST_CASE("linear: rows under any leading axes") {
  Rng rng(1);
  nn::Linear<double> layer(3, 4, rng);
  const Tensor<double> x = rng.normal<double>({2, 5, 3}, 1);
  const Tensor<double> y = value<double>(layer, x);
  CHECK(y.shape() == Shape{2, 5, 4});
  const Tensor<double> rows = value<double>(layer, Tensor<double>({10, 3}, x.span()));
  CHECK(std::equal(y.begin(), y.end(), rows.begin(), rows.end()));
}

TEST_CASE("dropout: fresh numbers at every training forward, the same for the same generator") {
  Rng rng(7);
  Rng same(7);
  nn::Dropout<double> layer(0.25, rng);
  nn::Dropout<double> twin(0.25, same);
  const Tensor<double> x({1000}, 3);
  const Tensor<double> first = value<double>(layer, x);
  const Tensor<double> second = value<double>(layer, x);
  CHECK_FALSE(first == second);
  CHECK(value<double>(twin, x) == first);
  CHECK(value<double>(twin, x) == second);
  Index zeros = 0;
  for (const double number : first) {
    CHECK((number == 0 || std::abs(number - 4) < 1e-14));
    zeros += number == 0 ? 1 : 0;
  }
  CHECK(std::abs(static_cast<double>(zeros) - 250) < 5 * std::sqrt(1000 * 0.25 * 0.75));
  layer.set_training(false);
  CHECK(value<double>(layer, x) == x);
  CHECK(layer.parameters().size() == 0);
}

TEST_CASE("layer norm: a row by hand") {
  nn::LayerNorm<double> layer(2, 0);
  CHECK(names(layer.parameters()) == std::vector<std::string>{"weight", "bias"});
  layer.weight.write()[0] = 3;
  layer.bias.write()[1] = 10;
  CHECK(near(value<double>(layer, Tensor<double>({2, 2}, {5, 9, -1, -3})), {-3, 11, 3, 9}));
}

TEST_CASE("conv2d layer: a value by hand, its parameters") {
  Rng rng(1);
  nn::Conv2d<double> layer(1, 2, 2, rng, {.stride = 2});
  CHECK(names(layer.parameters()) == std::vector<std::string>{"weight", "bias"});
  CHECK(layer.weight.shape() == Shape{2, 1, 2, 2});
  CHECK(near(layer.bias.value(), {0, 0}));
  const Tensor<double> w({2, 1, 2, 2}, {1, 2, 3, 4, 0, 0, 0, 1});
  std::copy(w.begin(), w.end(), layer.weight.write().begin());
  layer.bias.write()[1] = 10;
  const Tensor<double> x({1, 1, 2, 4}, {1, 0, 2, 1, 0, 1, 1, 3});
  CHECK(near(value<double>(layer, x), {5, 19, 11, 13}));
}

TEST_CASE("conv2d layer: weights have the variance of their fan-in") {
  Rng rng(5);
  const nn::Conv2d<double> layer(16, 32, 5, rng, {}, nn::he());
  double squares = 0;
  for (const double number : layer.weight.value()) squares += number * number;
  const auto n = static_cast<double>(layer.weight.size());
  const double variance = 2.0 / (16 * 5 * 5);
  CHECK(std::abs(squares / n - variance) <= 5 * variance * std::sqrt(2 / n));
  CHECK_FALSE(std::abs(squares / n - 1.1 * variance) <= 5 * variance * std::sqrt(2 / n));
}

TEST_CASE("pooling layers: windows lie side by side unless a stride is given") {
  const Tensor<double> x({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 9});
  nn::MaxPool2d<double> largest(2);
  nn::AvgPool2d<double> mean(2);
  nn::MaxPool2d<double> overlapping(2, 1);
  CHECK(near(value<double>(largest, x), {6, 9}));
  CHECK(near(value<double>(mean, x), {3.5, 5.75}));
  CHECK(near(value<double>(overlapping, x), {6, 7, 9}));
}

TEST_CASE("flatten: a row per sample") {
  nn::Flatten<double> layer;
  CHECK(value<double>(layer, Tensor<double>({2, 3, 1, 2}, 1)).shape() == Shape{2, 6});
  CHECK(value<double>(layer, Tensor<double>({0, 3, 2})).shape() == Shape{0, 6});
  CHECK(value<double>(layer, Tensor<double>({4})).shape() == Shape{4, 1});
  CHECK_THROWS_AS(value<double>(layer, Tensor<double>(Shape{})), ShapeError);
}

TEST_CASE("activations: the layers are the ops they stand for") {
  const Tensor<double> x({3}, {-1, 0.5, 2});
  NoGrad<double> tape;
  const Var<double> v = tape.constant(x);
  nn::LeakyRelu<double> leaky(0.2);
  nn::Softplus<double> soft;
  nn::Gelu<double> smooth;
  CHECK(near(leaky(v).value(), {-0.2, 0.5, 2}));
  CHECK(Tensor<double>(soft(v).value()) == Tensor<double>(softplus(v).value()));
  CHECK(Tensor<double>(smooth(v).value()) == Tensor<double>(gelu(v).value()));
}

TEST_CASE("a convolutional net learns, in float as in double") {
  const auto train = []<Scalar T>(T zero) {
    nn::Sequential<T> net;
    build(net);
    optim::Sgd<T> sgd(optim::decay_matrices(net.parameters(), 1e-4), [](Index) { return 0.1; });
    const Tensor<T> x = Rng(2).normal<T>({12, 2, 6, 6}, 1);
    static const std::vector<std::int32_t> labels{0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
    const std::span<const std::int32_t> y(labels);
    T first = zero;
    for (int step = 0; step < 100; ++step) {
      Tape<T> tape;
      const Var<T> loss = softmax_cross_entropy(net(tape.constant(x)), y);
      tape.backward(loss);
      sgd.step();
      if (step == 0) first = loss.item();
    }
    net.set_training(false);
    NoGrad<T> tape;
    return std::pair<T, T>(first, softmax_cross_entropy(net(tape.constant(x)), y).item());
  };
  const auto [first, last] = train(0.0);
  const auto [first_float, last_float] = train(0.0F);
  CHECK(last < first / 4);
  CHECK(!(std::abs(first - double{first_float}) > 1e-5));
  CHECK(!(std::abs(last - double{last_float}) > 1e-2));
}

TEST_CASE("batch norm: whoever unfreezes a model, its statistics are not trained") {
  nn::BatchNorm<double> layer(3);
  const auto all = layer.parameters();
  all.freeze();
  CHECK(all.trainable().size() == 0);
  all.freeze(false);
  CHECK(all.trainable().size() == 2);
  CHECK(layer.running_mean.frozen());
  CHECK(layer.running_mean.role() == Role::statistic);
  CHECK_FALSE(layer.weight.frozen());
  layer.running_var.freeze(false);
  CHECK(layer.running_var.frozen());
}

TEST_CASE("conv2d layer: initialisers are told fan-in and fan-out") {
  Rng rng(1);
  nn::Conv2d<double> layer(1, 8, 3, rng, {}, [](Index in, Index out) {
    CHECK(in == 9);
    CHECK(out == 72);
    return 1.0;
  });
}

TEST_CASE("activations: leaky relu leaks a hundredth") {
  nn::LeakyRelu<double> leaky;
  Tape<double> tape;
  CHECK(leaky(tape.constant(-1.0)).item() == -0.01);
}
