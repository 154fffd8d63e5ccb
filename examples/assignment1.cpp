// Assignment 1: one layer and softmax on CIFAR-10, mini-batch gradient descent, four settings.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "data/ahead_loader.h"
#include "data/cifar10.h"
#include "examples/report/gnuplot.h"
#include "examples/report/images.h"
#include "examples/report/predictions.h"
#include "examples/report/training_curves.h"
#include "examples/support/evaluator.h"
#include "examples/support/interrupt.h"
#include "examples/support/optimizer_options.h"
#include "examples/support/print.h"
#include "examples/support/run_folder.h"
#include "examples/support/training_options.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/lint.h"
#include "optim/trainer.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

struct Setting {
  double lambda;
  double lr;
};

// The settings that the assignment asks to compare.
constexpr Setting four_settings[] = {{0, 0.1}, {0, 0.001}, {0.1, 0.001}, {1, 0.001}};

struct Options : TrainingOptions {
  std::optional<double> lambda;
  std::optional<double> lr;
  Index epochs = 40;
  Index decay_every = 0;
  double decay_factor = 0.1;
  OptimizerOptions optimizer;

  optim::Schedule schedule(double start, Index steps_per_epoch) const {
    if (decay_every == 0) return optim::Constant{start};
    return optim::StepDecay{start, decay_factor, decay_every * steps_per_epoch};
  }

  std::vector<Setting> settings() const {
    if (lambda || lr) return {{lambda.value_or(0), lr.value_or(0.001)}};
    return {std::begin(four_settings), std::end(four_settings)};
  }

  // Inside the folders of results and checkpoints, where there are several.
  std::string folder_of(const Setting& setting) const {
    return lambda || lr ? "" : fmt::format("lambda{}_lr{}", setting.lambda, setting.lr);
  }
};

// The training's curves and the weights as images.
template <Real T>
void draw(const std::filesystem::path& out, const std::vector<optim::Measurement>& measurements,
          const optim::Schedule& schedule, nn::Sequential<T>& net) {
  const std::vector<report::History> histories{{"", measurements}};
  report::training_curves({.stem = out / "curves"}, histories, schedule);
  const View<const T> w = net.parameters()[0].parameter->value();
  Tensor<float> weights(w.shape());
  std::transform(w.begin(), w.end(), weights.begin(), [](T x) { return static_cast<float>(x); });
  report::weight_templates({.stem = out / "weights"}, weights, data::cifar10_classes);
}

// Trains with one setting.
template <Real T>
FinalScores train(const Options& options, const Setting& setting, const Dataset& images,
                  const CommandLine& command_line) {
  const std::string inner = options.folder_of(setting);
  const std::filesystem::path out = std::filesystem::path(options.out) / inner;
  Run run("assignment1", out);
  Rng rng(static_cast<std::uint64_t>(options.seed));
  nn::Sequential<T> net;
  net.template add<nn::Linear<T>>(images.train.features, 10, rng, nn::normal(0.01));

  data::AheadLoader<T> batches(images.train, images.standardizer, options.batch_size, rng.split(),
                               options.order(), options.augment);
  const Index epoch = batches.batches_per_epoch();
  const auto groups = optim::decay_matrices(net.parameters(), 2 * setting.lambda);
  const optim::Schedule schedule = options.schedule(setting.lr, epoch);
  const auto optimizer = options.optimizer.make<T>(groups, schedule);
  const nn::Loss<T> loss_of = options.template make_loss<T>();
  const auto loss = [&](Tape<T>& tape) {
    const auto [x, y] = batches.next();
    return loss_of(net(tape.constant(x)), y);
  };

  Evaluator<T> evaluate(net, images.standardizer, loss_of);
  optim::Trainer<T> trainer(*optimizer, loss,
                            {.measure_when = optim::every(epoch),
                             .steps_per_epoch = epoch,
                             .measure_train = [&] { return evaluate(images.train); },
                             .measure_validation = [&] { return evaluate(images.validation); },
                             .patience = options.patience,
                             .keep_best = options.keep_best,
                             .on_measure = print_unless(options.quiet),
                             .interrupted = interrupting_signal,
                             .progress = !options.quiet});
  if (options.checkpoint.given()) {
    run.went_on_after(resume(trainer, options.checkpoint.in(inner, command_line, images),
                             net.parameters(), {optim::position_of(batches)}, options.quiet));
  }
  options.run(trainer, options.epochs * epoch, net.parameters());

  const optim::Measurement& kept = options.keep_best ? trainer.best() : trainer.history().back();
  const FinalScores scores = final_scores(kept, evaluate(images.test));
  run.save(trainer.history(), scores, net.parameters(), images, command_line);
  print_notes(optim::lint_history(trainer.history()));
  if (options.pictures) {
    draw(out, trainer.history(), schedule, net);
    report::true_probabilities({.stem = out / "true_probabilities"}, images.test,
                               evaluate.predict(images.test));
  }
  return scores;
}

template <Real T>
int train_all(const Options& options, const CommandLine& command_line) {
  options.optimizer.check();
  options.check();
  if (options.decay_every == 0 && options.decay_factor != 0.1) {
    throw UsageError("--decay-factor has no meaning without --decay-every");
  }
  options.apply();
  if (options.pictures) report::require_gnuplot();
  const std::vector<Setting> settings = options.settings();
  for (const Setting& setting : settings) {
    prepare_folder(std::filesystem::path(options.out) / options.folder_of(setting), result_names);
  }
  const Dataset images = load_dataset(options.data);
  require_batch(options.batch_size, images);
  if (!options.quiet) print("{}\n", images.source);
  print_data_lint(images, options.data);

  std::string table = fmt::format("{:>8} {:>7} {:>11} {:>9} {:>11} {:>7}\n", "lambda", "lr",
                                  "train cost", "train", "validation", "test");
  for (const Setting& setting : settings) {
    if (!options.quiet) print("\nlambda {}, learning rate {}\n", setting.lambda, setting.lr);
    const FinalScores s = train<T>(options, setting, images, command_line);
    table += fmt::format("{:>8} {:>7} {:>11.4f} {:>9.4f} {:>11.4f} {:>7.4f}\n", setting.lambda,
                         setting.lr, s.train.loss + s.penalty, s.train.accuracy,
                         s.validation.accuracy, s.test.accuracy);
  }
  print("\n{}\nhistory.csv, summary.json and weights.safetensors in {}{}\n", table, options.out,
        settings.size() > 1 ? ", one folder a setting" : "");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.out = "runs/assignment1";
  CommandLine command_line(
      "assignment1",
      "Trains one layer with softmax on CIFAR-10: the assignment's four settings, "
      "or the one that --lambda and --lr give.");
  options.add_options(command_line);
  command_line
      .number("--lambda", options.lambda, 0, 1e6,
              "Penalty: cost = loss + lambda * sum of W^2 (0 when only --lr is given)")
      .number("--lr", options.lr, 0, 1e3, "Learning rate (0.001 when only --lambda is given)")
      .count("--epochs", options.epochs, 1, 1'000'000, "Passes over the training images")
      .count("--decay-every", options.decay_every, 0, 1'000'000,
             "Multiply the learning rate by --decay-factor after every so many epochs; 0: never")
      .number("--decay-factor", options.decay_factor, 0, 1, "See --decay-every");
  options.optimizer.add_options(command_line);
  return command_line.run(argc, argv, [&] {
    return options.precision == "double" ? train_all<double>(options, command_line)
                                         : train_all<float>(options, command_line);
  });
}
