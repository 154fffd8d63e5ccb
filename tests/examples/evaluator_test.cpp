#include "examples/support/evaluator.h"

#include <algorithm>
#include <cmath>

#include "data/synthetic.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

struct Problem {
  Problem() {
    net.add<nn::Linear<double>>(3072, 10, rng);
    net.add<nn::Dropout<double>>(0.5, rng);
  }

  Rng rng{1};
  nn::Sequential<double> net;
  data::ImageSet images = data::synthetic_images(40, 2);
  data::Standardizer standardizer = data::Standardizer::fit(images);
};

}  // namespace

TEST_CASE("evaluator: dropout is off while measuring and on again afterwards") {
  Problem problem;
  Evaluator<double> evaluate(problem.net, problem.standardizer);
  const optim::Scores first = evaluate(problem.images);
  const optim::Scores again = evaluate(problem.images);
  CHECK(first.loss == again.loss);
  CHECK(first.accuracy == again.accuracy);
  // In training mode half of the logits are zeros.
  const Tensor<double> x(Shape{1, 3072}, 1);
  Tape<double> tape;
  const auto logits = problem.net(tape.constant(x)).value();
  CHECK(std::count(logits.begin(), logits.end(), 0.0) > 0);
}

TEST_CASE("evaluator: predictions agree with the accuracy, probabilities with the loss") {
  Problem problem;
  Evaluator<double> evaluate(problem.net, problem.standardizer);
  const optim::Scores scores = evaluate(problem.images);
  const Predictions p = evaluate.predict(problem.images);
  REQUIRE(p.classes.size() == 40);
  double loss = 0;
  int hits = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    loss -= std::log(p.true_probabilities[i]) / 40;
    const bool hit = p.classes[i] == problem.images.labels[i];
    hits += hit;
    CHECK((p.probabilities[i] == p.true_probabilities[i]) == hit);
  }
  CHECK(std::abs(loss - scores.loss) < 1e-12);
  CHECK(hits / 40.0 == scores.accuracy);
}

TEST_CASE("evaluator: an ensemble averages probabilities and leaves the parameters alone") {
  Problem problem;
  Evaluator<double> evaluate(problem.net, problem.standardizer);
  const auto parameters = problem.net.parameters();
  nn::Snapshots<double> one, two;
  one.add(parameters);
  two.add(parameters);
  const optim::Scores single = evaluate(problem.images);
  const Predictions first = evaluate.predict(problem.images);
  CHECK(std::abs(evaluate.ensemble(one, problem.images).loss - single.loss) < 1e-12);
  CHECK(evaluate.ensemble(one, problem.images).accuracy == single.accuracy);

  for (double& w : parameters[0].parameter->write()) w = -w;
  two.add(parameters);
  const Predictions second = evaluate.predict(problem.images);
  double loss = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    loss -= std::log((first.true_probabilities[i] + second.true_probabilities[i]) / 2) / 40;
  }
  CHECK(std::abs(evaluate.ensemble(two, problem.images).loss - loss) < 1e-12);
  CHECK(evaluate.predict(problem.images).classes == second.classes);
}
