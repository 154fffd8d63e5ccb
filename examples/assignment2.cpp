// Assignment 2: a two-layer network on CIFAR-10, trained with a cyclical learning rate.
#include <fmt/format.h>

#include "examples/support/evaluator.h"
#include "examples/support/run_folder.h"
#include "examples/support/training_options.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "nn/summary.h"
#include "optim/sgd.h"
#include "optim/trainer.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

struct Options : TrainingOptions {
  Index hidden = 50;
  double lambda = 0.01;
  optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = 500};
  Index cycles = 1;
  Index measure_per_cycle = 10;
};

template <Real T>
int train(const Options& options, const CommandLine& command_line) {
  if (options.clr.lr_min > options.clr.lr_max) throw UsageError("--lr-min is above --lr-max");
  Run run("assignment2", options.out);
  const Dataset images = load_dataset(options.data);

  Rng rng(static_cast<std::uint64_t>(options.seed));
  nn::Sequential<T> net;
  net.template add<nn::Linear<T>>(images.train.features, options.hidden, rng);
  net.template add<nn::Relu<T>>();
  net.template add<nn::Linear<T>>(options.hidden, 10, rng);
  if (!options.quiet) {
    fmt::print("{}\n\n{}\n", images.source,
               nn::summary(net, {options.batch_size, images.train.features}));
  }

  const auto groups = optim::decay_matrices(net.parameters(), 2 * options.lambda);
  optim::Sgd<T> sgd(groups, options.clr);
  data::Loader<T> batches(images.train, images.standardizer, options.batch_size, rng.split(),
                          options.order());
  const auto loss = [&](Tape<T>& tape) {
    const auto [x, y] = batches.next();
    return softmax_cross_entropy(net(tape.constant(x)), y);
  };

  Evaluator<T> evaluate(net, images.standardizer);
  optim::Trainer<T> trainer(
      sgd, loss,
      {.measure_when = optim::per_cycle(options.measure_per_cycle, options.clr.steps(1)),
       .steps_per_epoch = batches.batches_per_epoch(),
       .measure_train = [&] { return evaluate(images.train); },
       .measure_validation = [&] { return evaluate(images.validation); },
       .on_measure = print_unless(options.quiet),
       .progress = !options.quiet});
  trainer.run(options.clr.steps(options.cycles));

  const FinalScores scores = final_scores(trainer.history().back(), evaluate(images.test));
  run.save(trainer.history(), scores, net.parameters(), images, command_line);
  fmt::print("\n{}\n{}\n", to_string(scores), run.closing_line());
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
      .number("--lambda", options.lambda, 0, 1e6, "Penalty: cost = loss + lambda * sum of W^2")
      .number("--lr-min", options.clr.lr_min, 0, 1e3, "Lowest learning rate")
      .number("--lr-max", options.clr.lr_max, 0, 1e3, "Highest learning rate")
      .count("--half-cycle", options.clr.half_cycle, 1, 1'000'000'000,
             "Steps from lowest to highest")
      .count("--cycles", options.cycles, 1, 1'000'000, "Cycles to train, each up and down once")
      .count("--measure-per-cycle", options.measure_per_cycle, 0, 10'000,
             "Measurements per cycle; 0: only the first and the last");
  return command_line.run(argc, argv, [&] {
    return options.precision == "double" ? train<double>(options, command_line)
                                         : train<float>(options, command_line);
  });
}
