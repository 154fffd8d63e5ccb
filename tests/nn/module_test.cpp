#include "nn/module.h"
#include "nn/batch_norm.h"

#include <cmath>

#include "nn/activations.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/sequential.h"
#include "nn/summary.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

template <Scalar T>
struct TwoLayerNet final : nn::Module<T> {
  explicit TwoLayerNet(Rng& rng) : fc1(4, 3, rng), fc2(3, 2, rng) {}
  Var<T> forward(Var<T> x) override { return fc2(relu(fc1(x))); }
  void collect(ParameterList<T>& all) override { all.add("fc1", fc1).add("fc2", fc2); }
  nn::Linear<T> fc1, fc2;
};

/// Two of the above, and a layer that is used twice.
struct Nested final : nn::Module<double> {
  explicit Nested(Rng& rng) : left(rng), right(rng), tied(4, 4, rng) {}
  Var<double> forward(Var<double> x) override { return left(tied(x)) + right(tied(x)); }
  void collect(ParameterList<double>& all) override {
    all.add("left", left).add("right", right).add("tied", tied).add("tied_again", tied);
  }
  TwoLayerNet<double> left, right;
  nn::Linear<double> tied;
};

template <Scalar T>
std::vector<std::string> names(const ParameterList<T>& all) {
  std::vector<std::string> result;
  for (const auto& p : all) result.push_back(p.name);
  return result;
}

template <Scalar T>
void build(nn::Sequential<T>& net, std::uint64_t seed = 400) {
  Rng rng(seed);
  net.template add<nn::Linear<T>>(3072, 50, rng);
  net.template add<nn::Relu<T>>();
  net.template add<nn::Linear<T>>(50, 10, rng);
}

/// The mean and the mean square of a parameter's numbers.
std::pair<double, double> moments(View<const double> x) {
  double sum = 0;
  double squares = 0;
  for (const double number : x) {
    sum += number;
    squares += number * number;
  }
  const auto n = static_cast<double>(x.size());
  return {sum / n, squares / n};
}

/// Whether the weights of a layer look like N(0, variance): five sigma.
bool weights_have(const nn::Init& init, Index in, Index out, double variance) {
  Rng rng(11);
  nn::Linear<double> layer(in, out, rng, init);
  const auto [mean, mean_square] = moments(layer.weight.value());
  const auto n = static_cast<double>(in * out);
  return std::abs(mean) <= 5 * std::sqrt(variance / n) &&
         std::abs(mean_square - variance) <= 5 * variance * std::sqrt(2 / n);
}

}  // namespace

TEST_CASE("module: parameters are named by the path to them, in the order of collect") {
  Rng rng(1);
  TwoLayerNet<float> net(rng);
  CHECK(names(net.parameters()) ==
        std::vector<std::string>{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"});
  CHECK(&net.parameters().at("fc2.weight") == &net.fc2.weight);
}

TEST_CASE("module: nested modules and tied layers are named once") {
  Rng rng(1);
  Nested net(rng);
  CHECK(names(net.parameters()) ==
        std::vector<std::string>{"left.fc1.weight", "left.fc1.bias", "left.fc2.weight",
                                 "left.fc2.bias", "right.fc1.weight", "right.fc1.bias",
                                 "right.fc2.weight", "right.fc2.bias", "tied.weight", "tied.bias"});
}

TEST_CASE("module: a layer without parameters has none") {
  nn::Relu<float> layer;
  CHECK(layer.parameters().size() == 0);
}

TEST_CASE("sequential: parameters are named by the layer's place") {
  nn::Sequential<float> net;
  build(net);
  CHECK(names(net.parameters()) ==
        std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"});
  CHECK(net.parameters().count() == 154'160);
  CHECK(net.parameters()[0].parameter->shape() == Shape{50, 3072});
  CHECK(net.parameters()[1].parameter->shape() == Shape{50});
}

TEST_CASE("sequential: its value is that of its layers one after the other") {
  Rng rng(5);
  nn::Sequential<double> net;
  auto& first = net.add<nn::Linear<double>>(4, 3, rng);
  net.add<nn::Tanh<double>>();
  auto& second = net.add<nn::Linear<double>>(3, 2, rng);
  net.add<nn::Sigmoid<double>>();
  const Tensor<double> x = rng.normal<double>({5, 4}, 1);
  NoGrad<double> tape;
  const Var<double> input = tape.constant(x);
  CHECK(Tensor<double>(net(input).value()) ==
        Tensor<double>(sigmoid(second(tanh(first(input)))).value()));
}

TEST_CASE("sequential: empty it is the identity") {
  nn::Sequential<double> net;
  const Tensor<double> x({2}, {1, 2});
  Tape<double> tape;
  CHECK(Tensor<double>(net(tape.constant(x)).value()) == x);
  CHECK(net.parameters().size() == 0);
}

TEST_CASE("linear: the value by hand, biases start at zero") {
  Rng rng(1);
  nn::Linear<double> layer(2, 3, rng);
  CHECK(Tensor<double>(layer.bias.value()) == Tensor<double>({3}, 0));
  const Tensor<double> w({3, 2}, {1, 2, 3, 4, 5, 6});
  std::copy(w.begin(), w.end(), layer.weight.write().begin());
  layer.bias.write()[1] = 10;
  const Tensor<double> x({1, 2}, {1, -1});
  Tape<double> tape;
  CHECK(Tensor<double>(layer(tape.constant(x)).value()) == Tensor<double>({1, 3}, {-1, 9, -1}));
}

TEST_CASE("linear: one seed gives one network in float and double") {
  nn::Sequential<float> single;
  nn::Sequential<double> full;
  build(single);
  build(full);
  const auto a = single.parameters()[2].parameter->value();
  const auto b = full.parameters()[2].parameter->value();
  for (Index i = 0; i < a.size(); ++i) REQUIRE(a[i] == static_cast<float>(b[i]));
}

TEST_CASE("init: weights have the variance that each rule gives") {
  CHECK(weights_have(nn::lecun(), 400, 100, 1.0 / 400));
  CHECK(weights_have(nn::he(), 400, 100, 2.0 / 400));
  CHECK(weights_have(nn::xavier(), 400, 100, 2.0 / 500));
  CHECK(weights_have(nn::normal(0.01), 400, 100, 1e-4));
  CHECK_FALSE(weights_have(nn::lecun(), 400, 100, 1.06 / 400));
  CHECK_FALSE(weights_have(nn::he(), 400, 100, 1.0 / 400));
}

TEST_CASE("init: without a rule given it is LeCun's") {
  Rng a(3);
  Rng b(3);
  nn::Linear<double> given(20, 10, a, nn::lecun());
  nn::Linear<double> by_default(20, 10, b);
  CHECK(Tensor<double>(given.weight.value()) == Tensor<double>(by_default.weight.value()));
  CHECK(nn::xavier()(3, 5) == 0.5);
  CHECK(nn::he()(8, 1) == 0.5);
}

TEST_CASE("module: freezing a part keeps its parameters off the tape") {
  Rng rng(1);
  TwoLayerNet<double> net(rng);
  net.fc1.parameters().freeze();
  const Tensor<double> x = rng.normal<double>({3, 4}, 1);
  Tape<double> tape;
  tape.backward(sum(net(tape.constant(x))));
  CHECK_FALSE(net.fc1.weight.has_new_gradient());
  CHECK_FALSE(net.fc1.bias.has_new_gradient());
  CHECK(net.fc2.weight.has_new_gradient());
  CHECK(net.fc2.bias.gradient()[0] == 3);
}

TEST_CASE("losses: the cross-entropy object is the op") {
  const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 7});
  const std::vector<std::int32_t> labels{2, 0};
  const std::span<const std::int32_t> y(labels);
  Tape<double> tape;
  CHECK(nn::SoftmaxCrossEntropy<double>{}(tape.constant(x), y).item() ==
        softmax_cross_entropy(tape.constant(x), y).item());
}

TEST_CASE("summary: a line per op with shapes and counts") {
  nn::Sequential<float> net;
  build(net);
  CHECK(nn::summary(net, {100, 3072}) ==
        "input   [100, 3072]\n"
        "linear  [100, 50]    0.weight [50, 3072], 0.bias [50]     153,650\n"
        "relu    [100, 50]\n"
        "linear  [100, 10]    2.weight [10, 50], 2.bias [10]           510\n"
        "total                                                     154,160\n");
}

TEST_CASE("summary: a look at a model with dropout does not change what it drops next") {
  const auto trained = [](bool looked_at) {
    Rng rng(1);
    nn::Sequential<float> net;
    net.add<nn::Dropout<float>>(0.5, rng);
    if (looked_at) nn::summary(net, {4, 8});
    const Tensor<float> ones({4, 8}, 1);
    Tape<float> tape;
    return Tensor<float>(net(tape.constant(ones)).value());
  };
  CHECK(trained(true) == trained(false));
}

TEST_CASE("summary: leaves the model as it was and says what does not fit") {
  nn::Sequential<float> net;
  build(net);
  const Tensor<float> before(net.parameters()[0].parameter->value());
  nn::summary(net, {1, 3072});
  CHECK(Tensor<float>(net.parameters()[0].parameter->value()) == before);
  CHECK_FALSE(net.parameters()[0].parameter->has_new_gradient());
  CHECK_THROWS_AS(nn::summary(net, {100, 3071}), ShapeError);
}

TEST_CASE("module: generators are listed by the layer's name, beside the parameters") {
  Rng rng(1);
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(2, 2, rng);
  net.add<nn::Dropout<float>>(0.5, rng);
  const auto all = net.parameters();
  CHECK(all.size() == 2);
  REQUIRE(all.generators().size() == 1);
  CHECK(all.generators()[0].name == "1.rng");
  ParameterList<float> twice = all;
  CHECK_NOTHROW(twice.add("again", *all.generators()[0].rng));
  CHECK(twice.generators().size() == 1);
  CHECK_THROWS_AS(twice.add("1.rng", rng), FormatError);
}

TEST_CASE("summary: running statistics, and what is not used, have lines too") {
  Rng rng(1);
  nn::Sequential<double> net;
  net.add<nn::Linear<double>>(3, 4, rng);
  net.add<nn::BatchNorm<double>>(4);
  CHECK(nn::summary(net, {2, 3}) ==
        "input       [2, 3]\n"
        "linear      [2, 4]  0.weight [4, 3], 0.bias [4]          16\n"
        "batch_norm  [2, 4]  1.weight [4], 1.bias [4]              8\n"
        "statistic           1.running_mean [4]                    4\n"
        "statistic           1.running_var [4]                     4\n"
        "total                                                    32\n");
}

TEST_CASE("summary: a layer that collect leaves out is named") {
  struct Forgetful final : nn::Module<double> {
    explicit Forgetful(Rng& rng) : first(3, 4, rng), second(4, 2, rng) {}
    Var<double> forward(Var<double> x) override { return second(first(x)); }
    void collect(ParameterList<double>& all) override { all.add("first", first); }
    nn::Linear<double> first, second;
  };
  Rng rng(1);
  Forgetful net(rng);
  const std::string text = nn::summary(net, {1, 3});
  CHECK_THAT(text, Catch::Contains("left out") && Catch::Contains("[2, 4]: not in collect"));
  nn::Sequential<double> whole;
  whole.add<nn::Linear<double>>(3, 4, rng);
  CHECK_THAT(nn::summary(whole, {1, 3}), !Catch::Contains("left out"));
}

TEST_CASE("module: the generators of a list that is about to go are the caller's") {
  Rng rng(1);
  nn::Sequential<double> net;
  net.add<nn::Dropout<double>>(0.5, rng);
  int count = 0;
  for (const NamedGenerator& g : net.parameters().generators())
    count += g.name == "0.rng" ? 1 : 100;
  CHECK(count == 1);
}

TEST_CASE("summary: a thousand has its comma") {
  Rng rng(1);
  nn::Linear<float> layer(99, 10, rng);  // 990 + 10 numbers
  CHECK_THAT(nn::summary(layer, {1, 99}), Catch::Contains("1,000\n"));
}
