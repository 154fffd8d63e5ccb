#include "examples/support/training_options.h"

#include <fmt/format.h>

#include "autograd/anomaly.h"
#include "data/lint.h"
#include "optim/notice.h"
#include "tensor/runtime.h"

namespace tapegrad::examples {

void TrainingOptions::add_options(CommandLine& command_line) {
  data.add_options(command_line);
  command_line.count("--batch-size", batch_size, 1, 50'000, "Images per step")
      .count("--seed", seed, 0, 1'000'000'000, "Seed of the initial weights and of the batches")
      .flag("--sequential", sequential, "Take batches in file order instead of shuffling")
      .flag("--flip", augment.flip, "Mirror each training image with probability 1/2")
      .count("--shift", augment.max_shift, 0, 31,
             "Move each training image by up to so many rows and columns")
      .choice("--loss", loss, {"softmax", "sigmoid", "hinge"},
              "Softmax cross-entropy, K sigmoids with binary cross-entropy, or multi-class hinge")
      .number("--label-smoothing", label_smoothing, 0, 0.999,
              "Share of the target spread over all classes, for softmax")
      .count("--patience", patience, 0, 1'000'000,
             "Stop after so many measurements without a better validation accuracy; 0: never")
      .flag("--keep-best", keep_best, "Keep the weights of the best validation accuracy")
      .choice("--precision", precision, {"float", "double"}, "Numbers to compute in")
      .text("--out", out, "Folder for history.csv, summary.json and weights.safetensors")
      .count("--threads", threads, 1, 256,
             "Threads that share the large products; the numbers do not depend on it")
      .flag("--detect-anomaly", detect_anomaly,
            "Check every number that a step computes; the first that is not finite ends the "
            "training, with the op that made it")
      .flag("--pictures", pictures, "Draw the training's curves into the folder too")
      .flag("--quiet", quiet, "Print the final table only");
  checkpoint.add_options(command_line);
  command_line.resumable([this] { return checkpoint.any(); });
}

void TrainingOptions::check() const {
  checkpoint.check();
  if (label_smoothing > 0 && loss != "softmax") {
    throw UsageError(fmt::format("--label-smoothing is for --loss softmax, not for {}", loss));
  }
}

void TrainingOptions::apply() const {
  set_threads(static_cast<int>(threads));
  print_blas_warning();
}

namespace {

// Until its end, however that comes.
template <Real T>
struct Observing {
  Observing(optim::Trainer<T>& observed, TapeObserver<T>& observer) : trainer(observed) {
    trainer.observe(&observer);
  }
  ~Observing() { trainer.observe(nullptr); }
  Observing(const Observing&) = delete;
  Observing& operator=(const Observing&) = delete;

  optim::Trainer<T>& trainer;
};

}  // namespace

template <Real T>
void TrainingOptions::run(optim::Trainer<T>& trainer, Index steps,
                          const ParameterList<T>& parameters) const {
  if (detect_anomaly) {
    AnomalyDetector<T> detector(parameters);
    const Observing<T> observing(trainer, detector);
    trainer.run(steps);
    return;
  }
  try {
    trainer.run(steps);
  } catch (const GradError& error) {
    throw GradError(fmt::format(
        "{}; run again with --detect-anomaly to see which op goes wrong first", error.what()));
  }
}

template void TrainingOptions::run(optim::Trainer<float>&, Index,
                                   const ParameterList<float>&) const;
template void TrainingOptions::run(optim::Trainer<double>&, Index,
                                   const ParameterList<double>&) const;

void print_blas_warning() {
  const std::string warning = blas_warning();
  if (!warning.empty()) optim::notice(fmt::format("note: {}\n", warning));
}

void print_notes(const std::vector<std::string>& findings) {
  for (const std::string& finding : findings) optim::notice(fmt::format("note: {}\n", finding));
}

void print_data_lint(const Dataset& images, const DatasetOptions& options) {
  print_notes(data::lint(images.train, images.validation, images.test, images.standardizer,
                         data::parse_scope(options.standardize)));
}

}  // namespace tapegrad::examples
