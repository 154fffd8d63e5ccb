#include "examples/support/training_run.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "data/synthetic.h"
#include "examples/support/evaluator.h"
#include "examples/support/interrupt.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "optim/sgd.h"
#include "optim/trainer.h"

namespace tapegrad::examples {
namespace {

double decay(const TrainingPlan& plan) {
  switch (plan.penalty_gradient) {
    case PenaltyGradient::full:
      return 2 * plan.lambda;
    case PenaltyGradient::half:
      return plan.lambda;
    case PenaltyGradient::per_batch:
      return 2 * plan.lambda / static_cast<double>(plan.batch_size);
    case PenaltyGradient::none:
      return 0;
  }
  return 0;
}

optim::Schedule schedule(const TrainingPlan& plan) {
  if (plan.lr_min == plan.lr_max) return optim::Constant{plan.lr_max};
  return optim::CyclicLr{
      .lr_min = plan.lr_min, .lr_max = plan.lr_max, .half_cycle = plan.half_cycle};
}

nn::Init first_init(const TrainingPlan& plan) {
  return plan.init_std > 0 ? nn::normal(plan.init_std) : nn::lecun();
}

std::shared_ptr<nn::Sequential<float>> make_network(const TrainingPlan& plan, Index features,
                                                    Rng& rng) {
  auto net = std::make_shared<nn::Sequential<float>>();
  if (plan.hidden == 0) {
    net->add<nn::Linear<float>>(features, 10, rng, first_init(plan));
    return net;
  }
  net->add<nn::Linear<float>>(features, plan.hidden, rng, first_init(plan));
  net->add<nn::Relu<float>>();
  net->add<nn::Linear<float>>(plan.hidden, 10, rng);
  return net;
}

DatasetOptions dataset_options(DatasetOptions options, const TrainingPlan& plan) {
  options.train_batches = plan.split == Split::small ? 1 : 5;
  options.validation = plan.split == Split::all ? 1000 : 0;
  options.standardize = data::to_string(plan.scope);
  return options;
}

Dataset few_images(data::Scope scope) {
  data::ImageSet train = data::synthetic_images(200, 1);
  auto standardizer = data::Standardizer::fit(train, scope);
  return {std::move(train),        data::synthetic_images(100, 2), data::synthetic_images(100, 3),
          std::move(standardizer), "a few synthetic images",       {}};
}

}  // namespace

void PlannedImages::prepare(const TrainingPlan& plan) {
  if (sets_.contains(key(plan))) return;
  Dataset images = few_ ? few_images(plan.scope) : load_dataset(dataset_options(options_, plan));
  if (plan.images > 0) {
    images.train = images.train.first(plan.images);
    images.standardizer = data::Standardizer::fit(images.train, plan.scope);
  }
  sets_.emplace(key(plan), std::move(images));
}

const Dataset& PlannedImages::of(const TrainingPlan& plan) const { return sets_.at(key(plan)); }

TrainingRun train(const TrainingPlan& plan, const Dataset& images,
                  const std::function<void()>& on_step) {
  const auto start = std::chrono::steady_clock::now();
  TrainingRun run;
  run.plan = plan;
  Rng rng(plan.seed);
  run.network = make_network(plan, images.train.features, rng);
  nn::Sequential<float>& net = *run.network;
  optim::Sgd<float> sgd(optim::decay_matrices(net.parameters(), decay(plan)), schedule(plan));
  data::Loader<float> batches(images.train, images.standardizer, plan.batch_size, rng.split(),
                              plan.order);
  const auto loss_of = nn::make_loss<float>(plan.loss);
  const auto loss = [&](Tape<float>& tape) {
    const auto [x, y] = batches.next();
    return loss_of(net(tape.constant(x)), y);
  };

  Evaluator<float> evaluate(net, images.standardizer, loss_of);
  const auto in_cost = optim::decay_matrices(net.parameters(), 2 * plan.lambda);
  optim::Trainer<float> trainer(
      sgd, loss,
      {.measure_when = optim::per_cycle(plan.measurements, plan.steps),
       .steps_per_epoch = batches.batches_per_epoch(),
       .measure_train = plan.measure_train ? [&] { return evaluate(images.train); }
                                           : std::function<optim::Scores()>(),
       .measure_validation = [&] { return evaluate(images.validation); },
       .penalty = [&] { return optim::penalty(in_cost); },
       .on_step =
           [&](Index, double) {
             if (on_step) on_step();
           },
       .interrupted = [] { return interrupting_signal() != 0; },
       .progress = false});
  trainer.run(plan.steps);
  run.history = trainer.history();
  run.train = run.history.back().train;
  if (plan.train_at_end && !plan.measure_train) run.train = evaluate(images.train);
  if (plan.test_at_end) run.test = evaluate(images.test);
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.evaluation_seconds = evaluate.seconds();
  return run;
}

}  // namespace tapegrad::examples
