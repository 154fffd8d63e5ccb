// The options that let a program go on where it was interrupted.
#pragma once

#include <optional>
#include <string>

#include "examples/support/command_line.h"
#include "examples/support/dataset.h"
#include "examples/support/training_run.h"
#include "optim/trainer.h"

namespace tapegrad::examples {

struct CheckpointOptions {
  static constexpr Index default_every = 1000;

  std::string folder;
  std::optional<Index> every = {};  // else default_every
  bool resume = false;

  void add_options(CommandLine& command_line);

  /// Throws UsageError for --resume or --every without --checkpoint, and for a folder that holds
  /// checkpoints, itself or in folders of its own, without --resume; FileError when they are in
  /// use.
  void check() const;

  bool given() const { return !folder.empty(); }

  /// Whether there is anything to go on from.
  bool any() const;

  /// What a Trainer wants to know, for checkpoints in a folder inside --checkpoint's, or in it
  /// itself. The settings are those of the command line's options that the numbers depend on, and
  /// the images' SHA-256.
  optim::CheckpointOptions in(const std::string& inner, const CommandLine& command_line,
                              const Dataset& images) const;

  /// The same for trainings of plans on these images.
  Keeping keeping(const Dataset& images) const;
};

/// Gives a trainer its checkpoints and, with options.resume, says on stdout from which step it goes
/// on; unless `quiet`, it prints the measurements that were made before too. Returns the step.
/// Throws as Trainer::checkpoint does.
template <Real T>
Index resume(optim::Trainer<T>& trainer, const optim::CheckpointOptions& options,
             const ParameterList<T>& parameters, std::vector<optim::StatePiece> others, bool quiet);

}  // namespace tapegrad::examples
