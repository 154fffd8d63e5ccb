// The options that both assignments' programs have.
#pragma once

#include <string>

#include "data/loader.h"
#include "examples/support/checkpoint_options.h"
#include "examples/support/command_line.h"
#include "examples/support/dataset.h"
#include "nn/losses.h"
#include "optim/trainer.h"

namespace tapegrad::examples {

struct TrainingOptions {
  DatasetOptions data;
  Index batch_size = 100;
  Index seed = 1;
  bool sequential = false;
  data::Augment augment;
  std::string loss = "softmax";
  double label_smoothing = 0;
  Index patience = 0;
  bool keep_best = false;
  std::string precision = "float";
  std::string out;
  Index threads = 1;
  CheckpointOptions checkpoint;
  bool pictures = false;
  bool detect_anomaly = false;
  bool quiet = false;

  void add_options(CommandLine& command_line);

  data::Order order() const { return sequential ? data::Order::sequential : data::Order::shuffled; }

  /// Throws UsageError for options that contradict each other.
  void check() const;

  /// Sets the number of threads, and prints the note about OpenBLAS.
  void apply() const;

  /// Runs the trainer. With --detect-anomaly the ops are watched and the parameters called by their
  /// names; without it an error about numbers mentions that option.
  template <Real T>
  void run(optim::Trainer<T>& trainer, Index steps, const ParameterList<T>& parameters) const;

  /// The loss to train with and to measure.
  template <Real T>
  nn::Loss<T> make_loss() const {
    return nn::make_loss<T>(loss, label_smoothing);
  }
};

/// Prints what is unusual about the data, on stderr.
void print_data_lint(const Dataset& images, const DatasetOptions& options);

/// Prints a note on stderr when the environment holds OpenBLAS below what the processor can do.
void print_blas_warning();

/// Prints findings on stderr, one line each: "note: ...".
void print_notes(const std::vector<std::string>& findings);

}  // namespace tapegrad::examples
