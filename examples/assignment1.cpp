// Assignment 1: one layer and softmax on CIFAR-10, mini-batch gradient descent, four settings.
#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "examples/support/evaluator.h"
#include "examples/support/run_folder.h"
#include "examples/support/training_options.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
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

  std::vector<Setting> settings() const {
    if (lambda || lr) return {{lambda.value_or(0), lr.value_or(0.001)}};
    return {std::begin(four_settings), std::end(four_settings)};
  }
};

template <Real T>
FinalScores train(const Options& options, const Setting& setting, const Dataset& images,
                  const std::filesystem::path& out, const CommandLine& command_line) {
  Run run("assignment1", out);
  Rng rng(static_cast<std::uint64_t>(options.seed));
  nn::Sequential<T> net;
  net.template add<nn::Linear<T>>(images.train.features, 10, rng, nn::normal(0.01));

  const auto groups = optim::decay_matrices(net.parameters(), 2 * setting.lambda);
  optim::Sgd<T> sgd(groups, optim::Constant{setting.lr});
  data::Loader<T> batches(images.train, images.standardizer, options.batch_size, rng.split(),
                          options.order());
  const auto loss = [&](Tape<T>& tape) {
    const auto [x, y] = batches.next();
    return softmax_cross_entropy(net(tape.constant(x)), y);
  };

  Evaluator<T> evaluate(net, images.standardizer);
  const Index epoch = batches.batches_per_epoch();
  optim::Trainer<T> trainer(sgd, loss,
                            {.measure_when = optim::every(epoch),
                             .steps_per_epoch = epoch,
                             .measure_train = [&] { return evaluate(images.train); },
                             .measure_validation = [&] { return evaluate(images.validation); },
                             .on_measure = print_unless(options.quiet),
                             .progress = !options.quiet});
  trainer.run(options.epochs * epoch);

  const FinalScores scores = final_scores(trainer.history().back(), evaluate(images.test));
  run.save(trainer.history(), scores, net.parameters(), images, command_line);
  return scores;
}

template <Real T>
int train_all(const Options& options, const CommandLine& command_line) {
  prepare_folder(options.out);
  const Dataset images = load_dataset(options.data);
  if (!options.quiet) fmt::print("{}\n", images.source);

  const std::vector<Setting> settings = options.settings();
  std::string table = fmt::format("{:>8}{:>8}{:>12}{:>10}{:>12}{:>8}\n", "lambda", "lr",
                                  "train cost", "train", "validation", "test");
  for (const Setting& setting : settings) {
    std::filesystem::path out = options.out;
    if (settings.size() > 1) out /= fmt::format("lambda{}_lr{}", setting.lambda, setting.lr);
    if (!options.quiet) fmt::print("\nlambda {}, learning rate {}\n", setting.lambda, setting.lr);
    const FinalScores s = train<T>(options, setting, images, out, command_line);
    table += fmt::format("{:>8}{:>8}{:>12.4f}{:>10.4f}{:>12.4f}{:>8.4f}\n", setting.lambda,
                         setting.lr, s.train.loss + s.penalty, s.train.accuracy,
                         s.validation.accuracy, s.test.accuracy);
  }
  fmt::print("\n{}\nhistory.csv, summary.json and weights.safetensors in {}{}\n", table,
             options.out, settings.size() > 1 ? ", one folder a setting" : "");
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
      .count("--epochs", options.epochs, 1, 1'000'000, "Passes over the training images");
  return command_line.run(argc, argv, [&] {
    return options.precision == "double" ? train_all<double>(options, command_line)
                                         : train_all<float>(options, command_line);
  });
}
