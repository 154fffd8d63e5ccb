#include "nn/lint.h"

#include "nn/activations.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

using Findings = std::vector<std::string>;

// 20 inputs, 10 units, the activation, 3 outputs; `spoil` changes the first layer's parameters.
template <class Activation, class Spoil>
Findings lint(Spoil spoil, Index examples = 200) {
  Rng rng(1);
  nn::Sequential<double> net;
  auto& first = net.add<nn::Linear<double>>(20, 10, rng);
  net.add<Activation>();
  net.add<nn::Linear<double>>(10, 3, rng);
  spoil(first);
  const Tensor<double> x = rng.normal<double>({examples, 20}, 1);
  return nn::lint_units<double>(net, x);
}

const auto healthy = [](nn::Linear<double>&) {};

const auto two_dead = [](nn::Linear<double>& layer) {
  layer.bias.write()[3] = layer.bias.write()[7] = -100;
};

// Steep: the sign of each number is all that comes through.
const auto steep = [](nn::Linear<double>& layer) {
  for (double& w : layer.weight.write()) w *= 1e5;
};

}  // namespace

TEST_CASE("unit lint: nothing is said of a healthy network") {
  CHECK(lint<nn::Relu<double>>(healthy).empty());
  CHECK(lint<nn::Sigmoid<double>>(healthy).empty());
  CHECK(lint<nn::Tanh<double>>(healthy).empty());
}

TEST_CASE("unit lint: dead units of relu") {
  const Findings found = lint<nn::Relu<double>>(two_dead);
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], StartsWith("relu behind 0.weight: 2 of 10 units (20 %) are 0 for all of 200 "
                                  "examples: they learn nothing any more"));
  // A unit that answers one example alone is alive.
  CHECK(lint<nn::Relu<double>>([](nn::Linear<double>& layer) {
          layer.bias.write()[3] = -1;
        }).empty());
  CHECK(lint<nn::LeakyRelu<double>>(two_dead).empty());
}

TEST_CASE("unit lint: saturated units of sigmoid and tanh") {
  const Findings sigmoid = lint<nn::Sigmoid<double>>(steep);
  REQUIRE(sigmoid.size() == 1);
  CHECK_THAT(sigmoid[0], StartsWith("sigmoid behind 0.weight: 10 of 10 units (100 %) are within "
                                    "0.01 of a limit for 99 % of 200 examples"));
  const Findings tanh = lint<nn::Tanh<double>>(two_dead);
  REQUIRE(tanh.size() == 1);
  CHECK_THAT(tanh[0], StartsWith("tanh behind 0.weight: 2 of 10 units"));
  CHECK(lint<nn::Relu<double>>(steep).empty());
}

TEST_CASE("unit lint: a channel of images is a unit") {
  Rng rng(1);
  nn::Sequential<double> net;
  auto& conv = net.add<nn::Conv2d<double>>(1, 4, 3, rng);
  net.add<nn::Relu<double>>();
  const Tensor<double> x = rng.normal<double>({100, 1, 5, 5}, 1);
  CHECK(nn::lint_units<double>(net, x).empty());
  conv.bias.write()[2] = -100;
  const Findings found = nn::lint_units<double>(net, x);
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], Contains("relu behind 0.weight: 1 of 4 units (25 %)"));
}

TEST_CASE("unit lint: a few examples show nothing") {
  CHECK(lint<nn::Relu<double>>(two_dead, 100).size() == 1);
  CHECK(lint<nn::Relu<double>>(two_dead, 99).empty());
}

TEST_CASE("unit lint: what the model draws next does not change") {
  Rng rng(1);
  nn::Sequential<double> net;
  net.add<nn::Dropout<double>>(0.5, rng);
  const ParameterList<double> all = net.parameters();
  const Rng before = *all.generators()[0].rng;
  nn::lint_units<double>(net, Tensor<double>({1000, 3}, 1));
  CHECK(*all.generators()[0].rng == before);
}
