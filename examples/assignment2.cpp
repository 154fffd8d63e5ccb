// Assignment 2: a two-layer network on CIFAR-10, trained with a cyclical learning rate.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <vector>

#include "autograd/profile.h"
#include "data/ahead_loader.h"
#include "examples/report/gnuplot.h"
#include "examples/report/training_curves.h"
#include "examples/support/evaluator.h"
#include "examples/support/interrupt.h"
#include "examples/support/optimizer_options.h"
#include "examples/support/print.h"
#include "examples/support/run_folder.h"
#include "examples/support/training_options.h"
#include "nn/activations.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "nn/summary.h"
#include "optim/lint.h"
#include "optim/range_test.h"
#include "optim/trainer.h"
#include "tensor/file.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

struct Options : TrainingOptions {
  Index hidden = 50;
  double dropout = 0;
  double lambda = 0.01;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  Index epochs = 0;
  Index measure_per_cycle = 10;
  bool ensemble = false;
  bool range_test = false;
  bool profile = false;

  void check() const {
    TrainingOptions::check();
    optimizer.check();
    schedule.steps();
    if (range_test && optimizer.optimizer != "sgd") {
      throw UsageError("--range-test is for --optimizer sgd: other rules want other rates");
    }
    if (range_test && detect_anomaly) {
      throw UsageError("--range-test goes on until training breaks: leave --detect-anomaly out");
    }
    if (profile && detect_anomaly) {
      throw UsageError("--profile measures the ops, not --detect-anomaly's checks: give one");
    }
    if (range_test && checkpoint.given()) {
      throw UsageError("--range-test is short and keeps no checkpoints: give one of the two");
    }
    const std::pair<const char*, bool> without_use[] = {
        {"--cycles", schedule.cycles != 1}, {"--epochs", epochs > 0}, {"--patience", patience > 0},
        {"--keep-best", keep_best},         {"--ensemble", ensemble}, {"--profile", profile}};
    for (const auto& [option, given] : without_use) {
      if (!range_test || !given) continue;
      throw UsageError(fmt::format(
          "--range-test takes one cycle's steps and leaves no network: leave {} out", option));
    }
    if (epochs > 0 && schedule.cycles != 1) {
      throw UsageError("--epochs and --cycles both say how long to train: give one");
    }
    if (ensemble && loss != "softmax") {
      throw UsageError("--ensemble averages softmax probabilities: it needs --loss softmax");
    }
    if (ensemble && keep_best) {
      throw UsageError("--ensemble averages the ends of cycles, --keep-best one moment: give one");
    }
  }

  Index steps(Index steps_per_epoch) const {
    return epochs > 0 ? epochs * steps_per_epoch : schedule.steps();
  }
};

template <Real T>
void build(nn::Sequential<T>& net, const Options& options, Index features, Rng& rng) {
  net.template add<nn::Linear<T>>(features, options.hidden, rng);
  net.template add<nn::Relu<T>>();
  if (options.dropout > 0) net.template add<nn::Dropout<T>>(options.dropout, rng);
  net.template add<nn::Linear<T>>(options.hidden, 10, rng);
}

// Whether a cycle ends after so many of `steps` steps.
std::function<bool(Index)> cycle_ends(ScheduleOptions schedule, Index steps) {
  std::vector<Index> ends;
  for (schedule.cycles = 1; ends.empty() || ends.back() < steps; ++schedule.cycles) {
    ends.push_back(schedule.steps());
  }
  return [ends](Index step) { return std::binary_search(ends.begin(), ends.end(), step); };
}

// The networks at the ends of cycles, for checkpoints.
template <Real T>
optim::StatePiece piece_of(nn::Snapshots<T>& snapshots) {
  return {"snapshots", [&] { return snapshots.save(); },
          [&](const Safetensors& state) { snapshots.load(state); }};
}

std::vector<std::string> lint(const Options& options, Index steps_per_epoch) {
  if (options.schedule.kind != "cyclic" || options.schedule.cycle_growth > 1) return {};
  return optim::lint_cycles({.half_cycle = options.schedule.half_cycle,
                             .steps = options.steps(steps_per_epoch),
                             .steps_per_epoch = steps_per_epoch});
}

// Raises the learning rate over one cycle's steps and says between which rates to cycle.
template <Real T>
int test_range(const Options& options, const optim::ParamGroups<T>& groups,
               const typename optim::Trainer<T>::Loss& loss,
               const std::function<double()>& accuracy) {
  const auto test = optim::lr_range_test<T>(
      groups, loss, accuracy,
      {.steps = options.schedule.cycle_steps(),
       .measurements = std::min<Index>(50, options.schedule.cycle_steps())});
  const std::filesystem::path out = options.out;
  write_file(out / "range_test.csv", optim::to_csv(test));
  report::range_test({.stem = out / "range_test"}, test);
  print(
      "{}{}\n"
      "range_test.csv, .png, .svg and .gp in {}\n",
      test.found() ? fmt::format("Learning rates to cycle between: {:.1e} to {:.1e}",
                                 test.suggested_min, test.suggested_max)
                   : "No range found: the loss did not fall far enough; try more steps",
      test.diverged ? fmt::format("; training broke at {:.1e}", test.points.back().lr) : "",
      options.out);
  return 0;
}

template <Real T>
int train(const Options& options, const CommandLine& command_line) {
  options.check();
  options.apply();
  if (options.pictures || options.range_test) report::require_gnuplot();
  const nn::Loss<T> loss_of = options.template make_loss<T>();
  Run run("assignment2", options.out);
  const Dataset images = load_dataset(options.data);
  require_batch(options.batch_size, images);
  print_data_lint(images, options.data);

  Rng rng(static_cast<std::uint64_t>(options.seed));
  nn::Sequential<T> net;
  build(net, options, images.train.features, rng);
  if (!options.quiet) {
    print("{}\n\n{}\n", images.source,
          nn::summary(net, {options.batch_size, images.train.features}));
  }
  const auto groups = optim::decay_matrices(net.parameters(), 2 * options.lambda);
  const auto optimizer = options.optimizer.make<T>(groups, options.schedule.schedule());
  data::AheadLoader<T> batches(images.train, images.standardizer, options.batch_size, rng.split(),
                               options.order(), options.augment);
  const auto loss = [&](Tape<T>& tape) {
    const auto [x, y] = batches.next();
    return loss_of(net(tape.constant(x)), y);
  };
  Evaluator<T> evaluate(net, images.standardizer, loss_of);
  if (options.range_test) {
    return test_range<T>(options, groups, loss,
                         [&] { return evaluate(images.validation).accuracy; });
  }

  const Index epoch = batches.batches_per_epoch();
  print_notes(lint(options, epoch));
  nn::Snapshots<T> snapshots;
  const auto at_cycle_end = cycle_ends(options.schedule, options.steps(epoch));
  optim::Trainer<T> trainer(
      *optimizer, loss,
      {.measure_when = optim::per_cycle(options.measure_per_cycle, options.schedule.cycle_steps()),
       .steps_per_epoch = epoch,
       .measure_train = [&] { return evaluate(images.train); },
       .measure_validation = [&] { return evaluate(images.validation); },
       .patience = options.patience,
       .keep_best = options.keep_best,
       .on_step =
           [&](Index step, double) {
             if (options.ensemble && at_cycle_end(step)) snapshots.add(net.parameters());
           },
       .on_measure = print_unless(options.quiet),
       .interrupted = interrupting_signal,
       .progress = !options.quiet});
  Index resumed_from = 0;
  if (options.checkpoint.given()) {
    resumed_from =
        resume(trainer, options.checkpoint.in("", command_line, images), net.parameters(),
               {optim::position_of(batches), piece_of(snapshots)}, options.quiet);
    run.went_on_after(resumed_from);
  }
  Profile<T> profile;
  if (options.profile) trainer.observe(&profile);
  const auto start = std::chrono::steady_clock::now();
  options.run(trainer, options.steps(epoch), net.parameters());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() -
      evaluate.seconds();  // of the steps alone

  const optim::Measurement& kept = options.keep_best ? trainer.best() : trainer.history().back();
  const FinalScores scores = final_scores(kept, evaluate(images.test));
  run.save(trainer.history(), scores, net.parameters(), images, command_line);
  print_notes(optim::lint_history(trainer.history()));
  print_notes(evaluate.lint_units(images.train));
  if (options.keep_best) print("\nthe best validation was after step {}\n", kept.step);
  print("\n{}", to_string(scores));
  if (snapshots.size() > 1) {
    const optim::Scores together = evaluate.ensemble(snapshots, images.test);
    print("{:<21}{:>9.4f}{:>10.4f}   on test: {} cycle ends, probabilities averaged\n", "ensemble",
          together.loss, together.accuracy, snapshots.size());
  } else if (options.ensemble) {
    print("no ensemble: {} cycle end{} came by; train more cycles\n", snapshots.size(),
          snapshots.size() == 1 ? "" : "s");
  }
  if (options.profile) {
    const Index steps = trainer.history().back().step - resumed_from;
    print("\n{}", to_string(profile, steps, seconds));
  }
  if (options.pictures) {
    const std::vector<report::History> histories{{"", trainer.history()}};
    report::training_curves({.stem = std::filesystem::path(options.out) / "curves"}, histories,
                            options.schedule.schedule());
  }
  print("\n{}\n", run.closing_line());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.out = "runs/assignment2";
  CommandLine command_line("assignment2",
                           "Trains a two-layer network on CIFAR-10 with a cyclical learning rate.");
  options.add_options(command_line);
  command_line.count("--hidden", options.hidden, 1, 100'000, "Nodes in the hidden layer")
      .number("--dropout", options.dropout, 0, 0.99,
              "Share of the hidden nodes that each training step leaves out")
      .number("--lambda", options.lambda, 0, 1e6, "Penalty: cost = loss + lambda * sum of W^2");
  options.optimizer.add_options(command_line);
  options.schedule.add_options(command_line);
  command_line
      .count("--epochs", options.epochs, 0, 1'000'000,
             "Train so many passes over the images instead of whole cycles; 0: --cycles decides")
      .count("--measure-per-cycle", options.measure_per_cycle, 0, 10'000,
             "Measurements per (first) cycle; 0: only the first and the last")
      .flag("--ensemble", options.ensemble,
            "Also test the average of the networks at the ends of the cycles")
      .flag("--profile", options.profile, "Also print where the time of the steps went")
      .flag("--range-test", options.range_test,
            "Instead of training, raise the learning rate from 1e-5 to 1 over one cycle's steps "
            "and say between which rates to cycle");
  return command_line.run(argc, argv, [&] {
    return options.precision == "double" ? train<double>(options, command_line)
                                         : train<float>(options, command_line);
  });
}
