#include "examples/support/evaluator.h"

#include <cmath>
#include <stdexcept>

#include "data/synthetic.h"
#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using examples::Evaluator;

namespace {

constexpr Index features = 5;
constexpr Index classes = 3;

data::ImageSet random_set(Index n) {
  data::ImageSet set(n, features);
  Rng rng(3);
  for (auto& b : set.pixels) b = static_cast<std::uint8_t>(rng.below(256));
  for (auto& label : set.labels) label = static_cast<std::int32_t>(rng.below(classes));
  return set;
}

// Counts its calls in each mode, and can be told to fail.
struct Witness final : nn::Module<double> {
  Var<double> forward(Var<double> x) override {
    ++(training ? trained : evaluated);
    if (fails) throw std::runtime_error("as told");
    return x;
  }
  void set_training(bool on) override { training = on; }

  bool training = true;
  bool fails = false;
  Index trained = 0;
  Index evaluated = 0;
};

// A linear model of random images, with a witness behind it, and what it should say.
struct Setting {
  explicit Setting(Index n) : images(random_set(n)) {
    Rng rng(1);
    layer = &net.add<nn::Linear<double>>(features, classes, rng);
    witness = &net.add<Witness>();
  }

  // The probabilities of image i, by the definition.
  std::vector<double> probabilities(Index i) const {
    std::vector<double> x(features), p(classes);
    standardizer.apply<double>(images.image(i), x);
    double sum = 0;
    for (Index k = 0; k < classes; ++k) {
      double logit = layer->bias.value()[k];
      for (Index j = 0; j < features; ++j) {
        logit += layer->weight.value()[k * features + j] * x[static_cast<std::size_t>(j)];
      }
      sum += p[static_cast<std::size_t>(k)] = std::exp(logit);
    }
    for (double& probability : p) probability /= sum;
    return p;
  }

  std::size_t label(Index i) const {
    return static_cast<std::size_t>(images.labels[static_cast<std::size_t>(i)]);
  }

  void randomize(std::uint64_t seed) {
    Rng rng(seed);
    for (double& w : layer->weight.write()) w = rng.normal();
  }

  data::ImageSet images;
  data::Standardizer standardizer = data::Standardizer::fit(images);
  nn::Sequential<double> net;
  nn::Linear<double>* layer = nullptr;
  Witness* witness = nullptr;
  Evaluator<double> evaluate{net, standardizer};
};

// Mean -ln at the labels and the share of right images, of probabilities(i).
template <class F>
optim::Scores scores_by_hand(const Setting& s, F probabilities) {
  optim::Scores scores{0, 0};
  for (Index i = 0; i < s.images.size(); ++i) {
    const std::vector<double> p = probabilities(i);
    const auto likeliest = std::max_element(p.begin(), p.end()) - p.begin();
    scores.loss -= std::log(p[s.label(i)]);
    scores.accuracy += likeliest == static_cast<std::ptrdiff_t>(s.label(i)) ? 1 : 0;
  }
  const auto n = static_cast<double>(s.images.size());
  return {scores.loss / n, scores.accuracy / n};
}

double relative_error(double actual, double expected) {
  return std::abs(actual - expected) / std::abs(expected);
}

bool agree(const optim::Scores& a, const optim::Scores& b) {
  return relative_error(a.loss, b.loss) <= 1e-13 && relative_error(a.accuracy, b.accuracy) <= 1e-13;
}

}  // namespace

TEST_CASE("evaluator: loss and accuracy over several blocks, the last incomplete, by hand") {
  Setting s(2345);
  const auto expected = scores_by_hand(s, [&](Index i) { return s.probabilities(i); });
  CHECK(agree(s.evaluate(s.images), expected));
  CHECK(s.witness->evaluated == 3);
  CHECK_FALSE(agree(s.evaluate(s.images.first(2000)), expected));
}

TEST_CASE("evaluator: a loss of one's own") {
  Setting s(1500);
  Evaluator<double> smoothed(s.net, s.standardizer, nn::make_loss<double>("softmax", 0.3));
  const auto plain = scores_by_hand(s, [&](Index i) { return s.probabilities(i); });
  double loss = 0;
  for (Index i = 0; i < s.images.size(); ++i) {
    const auto p = s.probabilities(i);
    for (std::size_t k = 0; k < p.size(); ++k) {
      loss -= (k == s.label(i) ? 0.8 : 0.1) * std::log(p[k]);
    }
  }
  CHECK(agree(smoothed(s.images), {loss / 1500, plain.accuracy}));
  CHECK_FALSE(agree(smoothed(s.images), plain));
}

TEST_CASE("evaluator: dropout is off while it looks, and on again afterwards") {
  Setting s(1200);
  Rng rng(2);
  s.net.add<nn::Dropout<double>>(0.5, rng);
  const auto expected = scores_by_hand(s, [&](Index i) { return s.probabilities(i); });
  CHECK(agree(s.evaluate(s.images), expected));
  CHECK(s.witness->training);
  CHECK(s.witness->trained == 0);

  // The same sum with dropout left on is another one.
  const Tensor<double> x = Rng(1).normal<double>({50, features}, 1);
  NoGrad<double> tape;
  const auto training = Tensor<double>(s.net(tape.constant(x)).value());
  s.net.set_training(false);
  CHECK_FALSE(Tensor<double>(s.net(tape.constant(x)).value()) == training);
}

TEST_CASE("evaluator: training goes on after an exception too") {
  Setting s(10);
  s.witness->fails = true;
  CHECK_THROWS_AS(s.evaluate(s.images), std::runtime_error);
  CHECK(s.witness->training);
  CHECK_THROWS_AS(s.evaluate.predict(s.images), std::runtime_error);
  CHECK(s.witness->training);
  CHECK(s.witness->evaluated == 2);
}

TEST_CASE("evaluator: predictions image by image") {
  Setting s(1003);
  const auto found = s.evaluate.predict(s.images);
  REQUIRE(found.classes.size() == 1003);
  REQUIRE(found.probabilities.size() == 1003);
  REQUIRE(found.true_probabilities.size() == 1003);
  for (Index i = 0; i < 1003; ++i) {
    const auto p = s.probabilities(i);
    const auto likeliest = std::max_element(p.begin(), p.end());
    const auto at = static_cast<std::size_t>(i);
    CHECK(found.classes[at] == likeliest - p.begin());
    CHECK(relative_error(found.probabilities[at], *likeliest) <= 1e-13);
    CHECK(relative_error(found.true_probabilities[at], p[s.label(i)]) <= 1e-13);
  }
}

TEST_CASE("evaluator: what is not a number is no prediction") {
  Setting s(10);
  CHECK_NOTHROW(s.evaluate.predict(s.images));
  s.layer->bias.write()[1] = std::nan("");
  CHECK_THROWS_WITH(s.evaluate.predict(s.images),
                    Catch::Contains("for image 0 the network's output is not a number"));
}

TEST_CASE("evaluator: an ensemble averages probabilities, not logits, and leaves no trace") {
  Setting s(1100);
  nn::Snapshots<double> snapshots;
  std::vector<std::vector<double>> mean(1100, std::vector<double>(classes));
  std::vector<std::vector<double>> geometric(1100, std::vector<double>(classes, 1));
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    s.randomize(seed);
    snapshots.add(s.net.parameters());
    for (Index i = 0; i < 1100; ++i) {
      const auto p = s.probabilities(i);
      for (std::size_t k = 0; k < p.size(); ++k) {
        mean[static_cast<std::size_t>(i)][k] += p[k] / 3;
        geometric[static_cast<std::size_t>(i)][k] *= std::cbrt(p[k]);
      }
    }
  }
  s.randomize(4);
  const Tensor<double> before(s.layer->weight.value());
  const auto found = s.evaluate.ensemble(snapshots, s.images);
  const auto of = [](const auto& all) {
    return [&](Index i) { return all[static_cast<std::size_t>(i)]; };
  };
  CHECK(agree(found, scores_by_hand(s, of(mean))));
  CHECK_FALSE(agree(found, scores_by_hand(s, of(geometric))));
  CHECK(Tensor<double>(s.layer->weight.value()) == before);
  CHECK(s.witness->training);
}

TEST_CASE("evaluator: an ensemble of one is that network") {
  Setting s(500);
  nn::Snapshots<double> snapshots;
  snapshots.add(s.net.parameters());
  const auto alone = s.evaluate(s.images);
  s.randomize(9);
  CHECK(agree(s.evaluate.ensemble(snapshots, s.images), alone));
  CHECK_FALSE(agree(s.evaluate(s.images), alone));
}

TEST_CASE("evaluator: parameters come back when an ensemble's network throws") {
  Setting s(10);
  nn::Snapshots<double> snapshots;
  snapshots.add(s.net.parameters());
  s.randomize(5);
  const Tensor<double> before(s.layer->weight.value());
  s.witness->fails = true;
  CHECK_THROWS_AS(s.evaluate.ensemble(snapshots, s.images), std::runtime_error);
  CHECK(Tensor<double>(s.layer->weight.value()) == before);
  CHECK(s.witness->training);
}

TEST_CASE("evaluator: an ensemble needs snapshots, images and labels that the network has") {
  Setting s(10);
  nn::Snapshots<double> snapshots;
  CHECK_THROWS_AS(s.evaluate.ensemble(snapshots, s.images), OptionError);
  snapshots.add(s.net.parameters());
  CHECK_THROWS_AS(s.evaluate.ensemble(snapshots, data::ImageSet(0, features)), DataError);
  s.images.labels[3] = classes;
  CHECK_THROWS_AS(s.evaluate.ensemble(snapshots, s.images), DataError);
  CHECK_THROWS_AS(s.evaluate.predict(s.images), DataError);
}

TEST_CASE("evaluator: dead units are looked for in evaluation mode") {
  Rng rng(1);
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(3072, 4, rng);
  auto& norm = net.add<nn::BatchNorm<float>>(4);
  net.add<nn::Relu<float>>();
  std::ranges::fill(norm.running_mean.write(),
                    1e6F);  // all units are dead, but not in training mode
  const data::ImageSet images = data::synthetic_images(200, 1);
  const auto standardizer = data::Standardizer::fit(images);
  examples::Evaluator<float> evaluator(net, standardizer);
  const auto found = evaluator.lint_units(images);
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], Catch::Contains("4 of 4 units"));
}
