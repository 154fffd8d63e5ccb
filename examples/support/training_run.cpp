#include "examples/support/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>

#include "data/synthetic.h"
#include "examples/support/evaluator.h"
#include "examples/support/interrupt.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "optim/sgd.h"
#include "optim/trainer.h"
#include "tensor/error.h"
#include "tensor/sha256.h"

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

namespace {

// A plan at work, on batches that are gathered for it.
class PlannedTraining {
 public:
  PlannedTraining(const TrainingPlan& plan, const Dataset& images, const data::Batch<float>& batch,
                  const std::function<void()>& on_step)
      : plan_(plan),
        images_(images),
        rng_(plan.seed),
        net_(make_network(plan, images.train.features, rng_)),
        loss_(nn::make_loss<float>(plan.loss)),
        evaluate_(*net_, images.standardizer, loss_),
        in_cost_(optim::decay_matrices(net_->parameters(), 2 * plan.lambda)),
        sgd_(optim::decay_matrices(net_->parameters(), decay(plan)), schedule(plan)),
        trainer_(
            sgd_,
            [this, &batch](Tape<float>& tape) {
              return loss_((*net_)(tape.constant(batch.x)), batch.y);
            },
            options(on_step)) {}

  PlannedTraining(const PlannedTraining&) = delete;
  PlannedTraining& operator=(const PlannedTraining&) = delete;

  // The batches it asks for.
  data::Loader<float> batches() {
    return {images_.train, images_.standardizer, plan_.batch_size, Rng(rng_).split(), plan_.order};
  }

  // Goes on from what is kept of this plan, if anything is.
  void keep(const Keeping& keeping) {
    steps_before_ = trainer_.checkpoint(
        {.folder = keeping.of(plan_),
         .every = keeping.every,
         .resume = keeping.resume,
         .settings = {{"the plan", describe(plan_)}, {"the images", keeping.images}}},
        net_->parameters());
  }

  Index steps() const { return sgd_.steps(); }
  void start() { trainer_.start(plan_.steps); }
  void advance() { trainer_.advance(); }

  TrainingRun finish() {
    TrainingRun run;
    run.plan = plan_;
    run.history = trainer_.history();
    run.train = run.history.back().train;
    if (plan_.train_at_end && !plan_.measure_train) run.train = evaluate_(images_.train);
    if (plan_.test_at_end) run.test = evaluate_(images_.test);
    run.network = net_;
    run.steps_before = steps_before_;
    run.evaluation_seconds = evaluate_.seconds();
    return run;
  }

 private:
  optim::TrainerOptions options(const std::function<void()>& on_step) {
    optim::TrainerOptions options{
        .measure_when = optim::per_cycle(plan_.measurements, plan_.steps),
        .steps_per_epoch = images_.train.size() / plan_.batch_size,
        .measure_validation = [this] { return evaluate_(images_.validation); },
        .penalty = [this] { return optim::penalty(in_cost_); },
        .interrupted = [] { return interrupting_signal() != 0; },
        .progress = false};
    if (plan_.measure_train) options.measure_train = [this] { return evaluate_(images_.train); };
    if (on_step) options.on_step = [on_step](Index, double) { on_step(); };
    return options;
  }

  TrainingPlan plan_;
  const Dataset& images_;
  Rng rng_;
  std::shared_ptr<nn::Sequential<float>> net_;
  nn::Loss<float> loss_;
  Evaluator<float> evaluate_;
  optim::ParamGroups<float> in_cost_;
  optim::Sgd<float> sgd_;
  optim::Trainer<float> trainer_;
  Index steps_before_ = 0;
};

void require_same_batches(std::span<const TrainingPlan> plans) {
  const auto batches = [](const TrainingPlan& plan) {
    return std::tuple(plan.steps, plan.batch_size, plan.order, plan.seed);
  };
  for (const TrainingPlan& plan : plans) {
    if (batches(plan) != batches(plans.front())) {
      throw OptionError("train_together: the plans differ in their batches");
    }
  }
}

// Trainings that take turns with the same batches. One that diverges is no longer there.
class Turns {
 public:
  Turns(std::span<const TrainingPlan> plans, const Dataset& images,
        const std::function<void()>& on_step, const Keeping& keeping) {
    for (const TrainingPlan& plan : plans) {
      trainings_.push_back(std::make_unique<PlannedTraining>(plan, images, batch_, on_step));
      if (!keeping.folder.empty()) trainings_.back()->keep(keeping);
    }
  }

  void run(Index steps) {
    Index first = steps;
    for (const auto& training : trainings_) first = std::min(first, training->steps());
    data::Loader<float> batches = trainings_.front()->batches();
    batches.seek(first);
    each([](PlannedTraining& training) { training.start(); });
    for (Index step = first; step < steps && any(); ++step) {
      batch_ = batches.next();
      each([=](PlannedTraining& training) {
        if (training.steps() == step) training.advance();
      });
    }
  }

  std::vector<std::optional<TrainingRun>> finish() {
    std::vector<std::optional<TrainingRun>> runs(trainings_.size());
    auto run = runs.begin();
    for (auto& training : trainings_) {
      if (training) *run = training->finish();
      ++run;
    }
    return runs;
  }

  // Why one is no longer there.
  std::exception_ptr failure() const { return failure_; }

 private:
  bool any() const {
    return std::ranges::any_of(trainings_,
                               [](const auto& training) { return training != nullptr; });
  }

  // An interruption reaches all, so that each of them keeps where it is.
  template <class F>
  void each(F f) {
    std::exception_ptr interruption;
    for (auto& training : trainings_) {
      try {
        if (training) f(*training);
      } catch (const GradError&) {
        training.reset();
        failure_ = std::current_exception();
      } catch (const Interrupted&) {
        interruption = std::current_exception();
      }
    }
    if (interruption) std::rethrow_exception(interruption);
  }

  data::Batch<float> batch_;
  std::vector<std::unique_ptr<PlannedTraining>> trainings_;
  std::exception_ptr failure_;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::string describe(const TrainingPlan& plan) {
  // Names for all members, so that one that is added is not forgotten here.
  const auto& [split, images, scope, hidden, init_std, loss, lambda, penalty_gradient, lr_min,
               lr_max, half_cycle, steps, batch_size, order, measurements, measure_train,
               train_at_end, test_at_end, seed] = plan;
  return fmt::format(
      "split {}, first {} images, scope {}; hidden {}, initial std {}, loss {}; lambda {}, penalty "
      "gradient {}; lr {} to {}, half-cycle {}, {} steps of {} images, order {}; measurements {}, "
      "train {} {}, test {}; seed {}",
      static_cast<int>(split), images, data::to_string(scope), hidden, init_std, loss, lambda,
      static_cast<int>(penalty_gradient), lr_min, lr_max, half_cycle, steps, batch_size,
      static_cast<int>(order), measurements, measure_train, train_at_end, test_at_end, seed);
}

std::filesystem::path Keeping::of(const TrainingPlan& plan) const {
  const std::string text = describe(plan) + images;
  constexpr std::size_t enough = 16;  // digits, to tell some hundred plans apart
  return folder / to_hex(sha256(std::as_bytes(std::span(text)))).substr(0, enough);
}

std::vector<std::optional<TrainingRun>> train_together(std::span<const TrainingPlan> plans,
                                                       const Dataset& images,
                                                       const std::function<void()>& on_step,
                                                       const Keeping& keeping) {
  if (plans.empty()) return {};
  require_same_batches(plans);
  const auto start = std::chrono::steady_clock::now();
  Turns turns(plans, images, on_step, keeping);
  turns.run(plans.front().steps);
  auto runs = turns.finish();
  for (auto& run : runs) {
    if (run) run->seconds = seconds_since(start) / static_cast<double>(std::ssize(plans));
  }
  return runs;
}

TrainingRun train(const TrainingPlan& plan, const Dataset& images,
                  const std::function<void()>& on_step, const Keeping& keeping) {
  const auto start = std::chrono::steady_clock::now();
  Turns turns({&plan, 1}, images, on_step, keeping);
  turns.run(plan.steps);
  if (turns.failure()) std::rethrow_exception(turns.failure());
  TrainingRun run = std::move(turns.finish().front().value());
  run.seconds = seconds_since(start);
  return run;
}

}  // namespace tapegrad::examples
