#include "optim/trainer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "autograd/anomaly.h"
#include "autograd/ops.h"
#include "nn/batch_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/progress.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using Catch::Matchers::Message;
using Catch::Matchers::StartsWith;

namespace {

/// w = 2 under the loss w^2 with rate 0.25: w halves at each step.
struct Halving {
  Halving() { all.add("w", w); }

  optim::Trainer<double>::Loss loss() {
    return [this](Tape<double>& tape) { return square(tape.parameter(w)); };
  }

  Parameter<double> w{Tensor<double>(Shape{}, 2)};
  ParameterList<double> all;
};

/// What a function writes to stderr, which is a file meanwhile.
template <class F>
std::string stderr_of(F f) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  f();
  std::fflush(stderr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::rewind(file);
  std::string text(1000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

std::vector<Index> steps_of(const std::vector<optim::Measurement>& history) {
  std::vector<Index> steps;
  for (const auto& m : history) steps.push_back(m.step);
  return steps;
}

}  // namespace

TEST_CASE("trainer: repeats loss, backward, step") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  std::vector<std::pair<Index, double>> seen;
  optim::Trainer<double> trainer(sgd, problem.loss(), {.on_step = [&](Index step, double loss) {
                                   seen.emplace_back(step, loss);
                                 }});
  trainer.run(3);
  CHECK(seen == std::vector<std::pair<Index, double>>{{1, 4}, {2, 1}, {3, 0.25}});
  CHECK(problem.w.value()[0] == 0.25);
  CHECK(sgd.steps() == 3);
}

TEST_CASE("trainer: trainings that take turns do what each does alone") {
  struct Training {
    explicit Training(double lr)
        : sgd(optim::one_group(problem.all), optim::Constant{lr}),
          trainer(sgd, problem.loss(),
                  {.measure_when = optim::every(2),
                   .measure_validation =
                       [this] {
                         return optim::Scores{0, -problem.w.value()[0]};
                       },
                   .keep_best = true}) {}
    Halving problem;
    optim::Sgd<double> sgd;
    optim::Trainer<double> trainer;
  };
  Training a(0.25), b(0.75);
  a.trainer.start(3);
  b.trainer.start(5);
  CHECK(a.trainer.history().size() == 1);
  for (int i = 0; i < 3; ++i) {
    CHECK(a.trainer.advance().has_value());
    CHECK(b.trainer.advance().has_value());
  }
  CHECK_FALSE(a.trainer.advance().has_value());  // its run is over, the other's is not
  CHECK(b.trainer.advance() == 2 * 2 / 64.0);    // w = 2 (-1/2)^3
  CHECK(b.trainer.advance().has_value());
  CHECK_FALSE(b.trainer.advance().has_value());

  Training alone(0.75);
  alone.trainer.run(5);
  CHECK(steps_of(b.trainer.history()) == steps_of(alone.trainer.history()));
  CHECK(b.problem.w.value()[0] == alone.problem.w.value()[0]);  // the best, not the last
  CHECK(steps_of(a.trainer.history()) == std::vector<Index>{0, 2, 3});
}

TEST_CASE("trainer: minimizes, so that large weights are moved without a gradient being written") {
  Rng rng(7);
  const Tensor<float> x = rng.normal<float>({100, 1030}, 1);
  Parameter<float> w(rng.normal<float>({50, 1030}, 1)), b(Tensor<float>(Shape{50}));
  ParameterList<float> all;
  all.add("w", w).add("b", b);
  optim::Sgd<float> sgd({{all, 0, 1}}, optim::Constant{1e-3});
  bool looked = false;
  optim::TrainerOptions options;
  options.on_step = [&](Index, double) {
    looked = true;
    CHECK(b.gradient().size() == 50);
    if (kernels::can_descend_along({100, 50}, {100, 1030})) {
      CHECK_THROWS_AS(w.gradient(), GradError);
    }
  };
  const auto loss = [&](Tape<float>& tape) {
    return mean(square(linear(tape.constant(x), tape.parameter(w), tape.parameter(b))));
  };
  optim::Trainer<float>(sgd, loss, options).run(1);
  CHECK(looked);
}

TEST_CASE("trainer: a loss on another tape is refused") {
  Halving halving;
  Arena arena;
  Tape<double> other(arena);
  optim::Sgd<double> sgd({{halving.all, 0, 1}}, optim::Constant{0.25});
  const auto loss = [&](Tape<double>&) { return square(other.parameter(halving.w)); };
  optim::Trainer<double> trainer(sgd, loss);
  CHECK_THROWS_WITH(trainer.run(1), "Trainer: the loss is on another tape than the one given");
  CHECK(halving.w.value()[0] == 2);
}

TEST_CASE("trainer: after an update that failed there is no next one") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  struct Failed {};
  optim::Trainer<double> trainer(sgd, problem.loss(), {.on_step = [](Index step, double) {
                                   if (step == 2) throw Failed();
                                 }});
  CHECK_THROWS_AS(trainer.start(-1), OptionError);
  CHECK_FALSE(trainer.advance().has_value());
  trainer.start(5);
  CHECK(trainer.advance().has_value());
  CHECK_THROWS_AS(trainer.advance(), Failed);
  CHECK_FALSE(trainer.advance().has_value());
  trainer.start(1);  // a new run is another matter
  CHECK(trainer.advance().has_value());
}

TEST_CASE("trainer: measures before the first step, every so many, and after the last") {
  const auto history_of = [](Index every, Index steps) {
    Halving problem;
    optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
    optim::Trainer<double> trainer(
        sgd, problem.loss(),
        {.measure_when = every > 0 ? optim::every(every) : nullptr, .measure_train = [] {
           return optim::Scores{1, 1};
         }});
    trainer.run(steps);
    return steps_of(trainer.history());
  };
  CHECK(history_of(0, 5) == std::vector<Index>{0, 5});
  CHECK(history_of(2, 5) == std::vector<Index>{0, 2, 4, 5});
  CHECK(history_of(2, 4) == std::vector<Index>{0, 2, 4});
  CHECK(history_of(10, 5) == std::vector<Index>{0, 5});
}

TEST_CASE("trainer: a measurement says step, epoch, rate, penalty and scores") {
  Halving problem;
  optim::Sgd<double> sgd({{problem.all, 0.5}},
                         optim::StepDecay{.lr = 0.5, .factor = 0.5, .every = 2});
  std::vector<Index> measured;
  optim::Trainer<double> trainer(
      sgd, problem.loss(),
      {.measure_when = optim::every(2),
       .steps_per_epoch = 8,
       .measure_train =
           [&] {
             return optim::Scores{problem.w.value()[0], 0.5};
           },
       .measure_validation =
           [] {
             return optim::Scores{3, 0.25};
           },
       .on_measure = [&](const optim::Measurement& m) { measured.push_back(m.step); }});
  trainer.run(4);
  REQUIRE(trainer.history().size() == 3);
  CHECK(measured == std::vector<Index>{0, 2, 4});
  const auto& first = trainer.history()[0];
  CHECK(first.step == 0);
  CHECK(first.epoch == 0);
  CHECK(first.lr == 0.5);
  CHECK(first.penalty == 1);
  CHECK(first.train.loss == 2);
  CHECK(first.train_cost() == 3);
  CHECK(first.validation_cost() == 4);
  CHECK(first.validation.accuracy == 0.25);
  const auto& second = trainer.history()[1];
  CHECK(second.step == 2);
  CHECK(second.epoch == 0.25);
  CHECK(second.lr == 0.25);
}

TEST_CASE("trainer: a callback can stop it after the step being made") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  optim::Trainer<double>* self = nullptr;
  optim::Trainer<double> trainer(sgd, problem.loss(), {.on_step = [&](Index step, double) {
                                   if (step == 2) self->stop();
                                 }});
  self = &trainer;
  trainer.run(10);
  CHECK(sgd.steps() == 2);
  CHECK(problem.w.value()[0] == 0.5);
}

TEST_CASE("trainer: run may be called again and goes on") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  std::vector<Index> seen;
  optim::Trainer<double> trainer(sgd, problem.loss(),
                                 {.on_step = [&](Index step, double) { seen.push_back(step); }});
  trainer.run(2);
  trainer.run(1);
  CHECK(sgd.steps() == 3);
  CHECK(seen == std::vector<Index>{1, 2, 3});
}

TEST_CASE("trainer: a loss that is not finite is refused before it moves a weight") {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Halving problem;
    optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
    optim::Trainer<double> trainer(sgd, [&](Tape<double>& tape) {
      return scale(square(tape.parameter(problem.w)), sgd.steps() == 2 ? bad : 1);
    });
    CHECK_THROWS_MATCHES(
        trainer.run(5), GradError,
        Message(std::string("the loss is ") + (std::isnan(bad) ? "nan" : "inf") +
                " at step 2 (learning rate 0.25); a lower learning rate or clipped gradients may "
                "keep it finite"));
    CHECK(problem.w.value()[0] == 0.5);
  }
}

TEST_CASE("trainer: an error about numbers says which batch it was") {
  const auto message = [](bool detect, Index steps_per_epoch) {
    Halving problem;
    optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
    optim::Trainer<double> trainer(sgd,
                                   [&](Tape<double>& tape) {
                                     const Var<double> loss = square(tape.parameter(problem.w));
                                     return sgd.steps() == 4 ? log(scale(loss, 0)) : loss;
                                   },
                                   {.steps_per_epoch = steps_per_epoch});
    AnomalyDetector<double> detector(problem.all);
    if (detect) trainer.observe(&detector);
    try {
      trainer.run(10);
    } catch (const GradError& error) {
      CHECK(sgd.steps() == 4);
      CHECK((dynamic_cast<const AnomalyError*>(&error) != nullptr) == detect);
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(message(false, 3), StartsWith("the loss is inf at step 4 (batch 2 of 3 in epoch 2, "
                                           "learning rate 0.25); "));
  CHECK_THAT(message(false, 0), StartsWith("the loss is inf at step 4 (learning rate 0.25); "));
  CHECK_THAT(message(true, 3),
             StartsWith("step 4 (batch 2 of 3 in epoch 2, learning rate 0.25): forward: log "
                        "(number 3 on the tape) gives -inf at [] of [] (element 0); its operands "
                        "are finite"));
}

TEST_CASE("trainer: a penalty that is not finite is noticed with the measurement") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  optim::Trainer<double> trainer(sgd, problem.loss(),
                                 {.measure_train =
                                      [] {
                                        return optim::Scores{1, 1};
                                      },
                                  .penalty = [] { return std::nan(""); }});
  CHECK_THROWS_WITH(trainer.run(1), StartsWith("the training cost is nan at step 0"));
}

TEST_CASE("trainer: prints nothing when stderr is not a terminal") {
  CHECK(stderr_of([] { std::fputs("seen", stderr); }) == "seen");
  CHECK(stderr_of([] {
          Halving problem;
          optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
          optim::Trainer<double>(sgd, problem.loss()).run(100);
        }).empty());
  CHECK(stderr_of([] {
          optim::Progress progress(10);
          for (Index i = 0; i <= 10; ++i) progress.update(i, "note");
          progress.clear();
        }).empty());
}

TEST_CASE("trainer: measurements: so many per cycle, the last at its end, in every cycle") {
  for (const Index count : {1, 7, 9, 10}) {
    for (const Index cycle : {100, 160, 1600}) {
      const auto due = optim::per_cycle(count, cycle);
      Index measured = 0;
      for (Index step = 1; step <= 3 * cycle; ++step) {
        measured += due(step);
        if (step % cycle == 0) {
          CHECK(due(step));
          CHECK(measured == step / cycle * count);
        }
      }
    }
  }
  CHECK_FALSE(static_cast<bool>(optim::per_cycle(0, 100)));
}

TEST_CASE("trainer: keeps the parameters of the best measurement") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  // Accuracy peaks after the second step, when w is 0.5.
  const double accuracies[] = {0.1, 0.2, 0.6, 0.6, 0.4};
  std::size_t measured = 0;
  optim::Trainer<double> trainer(sgd, problem.loss(),
                                 {.measure_when = optim::every(1),
                                  .measure_validation =
                                      [&] {
                                        return optim::Scores{1, accuracies[measured++]};
                                      },
                                  .keep_best = true});
  trainer.run(4);
  CHECK(problem.w.value().data()[0] == 0.5);
  CHECK(trainer.best().step == 2);
  CHECK(trainer.history().size() == 5);
}

TEST_CASE("trainer: stops when validation has not improved for so many measurements") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  const double accuracies[] = {0.1, 0.2, 0.6, 0.5, 0.6, 0.7, 0.7, 0.7, 0.7};
  std::size_t measured = 0;
  const auto validate = [&] { return optim::Scores{1, accuracies[measured++]}; };
  optim::Trainer<double> trainer(
      sgd, problem.loss(),
      {.measure_when = optim::every(1), .measure_validation = validate, .patience = 3});
  trainer.run(100);
  CHECK(sgd.steps() == 8);  // the best is at 5; 6, 7 and 8 are not better
  CHECK(trainer.history().back().step == 8);

  measured = 0;
  Halving other;
  optim::Sgd<double> another(optim::one_group(other.all), optim::Constant{0.25});
  optim::Trainer<double> impatient(
      another, other.loss(),
      {.measure_when = optim::every(1), .measure_validation = validate, .patience = 2});
  impatient.run(100);
  CHECK(another.steps() == 4);
}

TEST_CASE("trainer: patience and keep_best need a validation to go by") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  CHECK_THROWS_AS(optim::Trainer<double>(sgd, problem.loss(), {.patience = 1}), OptionError);
  CHECK_THROWS_AS(optim::Trainer<double>(sgd, problem.loss(), {.keep_best = true}), OptionError);
  CHECK_THROWS_AS(optim::Trainer<double>(sgd, problem.loss()).best(), OptionError);
}

TEST_CASE("trainer: patience and keep_best need an accuracy, which must be stated") {
  const optim::TrainerOptions loss_only{
      .measure_validation = [] { return optim::Scores{.loss = 1}; }};
  for (const bool keep : {false, true}) {
    Halving problem;
    optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
    optim::TrainerOptions options = loss_only;
    keep ? void(options.keep_best = true) : void(options.patience = 2);
    optim::Trainer<double> trainer(sgd, problem.loss(), options);
    CHECK_THROWS_MATCHES(trainer.run(5), OptionError,
                         Message("Trainer: patience and keep_best go by the validation accuracy, "
                                 "which is nan at step 0; does measure_validation state it?"));
  }
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  optim::Trainer<double> trainer(sgd, problem.loss(), loss_only);
  trainer.run(5);  // neither is asked for
  CHECK(sgd.steps() == 5);
}

TEST_CASE("trainer: the best measurement is one that has an accuracy") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  const double accuracies[] = {std::nan(""), 0.1, std::nan(""), 0.3};
  std::size_t measured = 0;
  optim::Trainer<double> trainer(sgd, problem.loss(),
                                 {.measure_when = optim::every(1), .measure_validation = [&] {
                                    return optim::Scores{1, accuracies[measured++]};
                                  }});
  trainer.run(3);
  CHECK(trainer.best().step == 3);
}

TEST_CASE("trainer: measuring every 0 steps is never, a cycle of no steps is refused") {
  CHECK_FALSE(optim::every(0)(10));
  CHECK_FALSE(optim::every(-3)(9));
  CHECK(optim::every(3)(9));
  CHECK_THROWS_AS(optim::per_cycle(2, 0), OptionError);
  CHECK_THROWS_AS(optim::per_cycle(-1, 10), OptionError);
}

TEST_CASE("trainer: a penalty of its own goes into the cost") {
  Halving problem;
  optim::Sgd<double> sgd(optim::one_group(problem.all), optim::Constant{0.25});
  optim::Trainer<double> trainer(sgd, problem.loss(), {.penalty = [] { return 0.75; }});
  trainer.run(1);
  CHECK(trainer.history().back().penalty == 0.75);
}

TEST_CASE("trainer: what is saved is also what keep_best keeps") {
  const test::TemporaryFolder folder;
  Rng rng(1);
  nn::Sequential<double> net;
  net.add<nn::Linear<double>>(3, 4, rng);
  auto& norm = net.add<nn::BatchNorm<double>>(4);
  Rng data(2);
  const Tensor<double> x = data.normal<double>({8, 3}, 1);
  optim::Sgd<double> sgd(optim::one_group(net.parameters().trainable()), optim::Constant{0.1});
  double best_mean = 0;
  Index now = 0;
  optim::Trainer<double> trainer(
      sgd, [&](Tape<double>& tape) { return sum(square(net(tape.constant(x)))) * 0.01; },
      {.measure_when = optim::every(1),
       .measure_validation =
           [&] {
             if (now == 2) best_mean = norm.running_mean.value()[0];
             return optim::Scores{0, now++ == 2 ? 0.9 : 0.1};
           },
       .keep_best = true,
       .progress = false});
  trainer.checkpoint({.folder = folder.path() / "kept"}, net.parameters());
  trainer.run(5);
  CHECK(best_mean != 0);
  CHECK(norm.running_mean.value()[0] == best_mean);
}
