// A training's state in files, so that it can go on where it was interrupted.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autograd/parameter_list.h"
#include "tensor/file.h"
#include "tensor/safetensors.h"

namespace tapegrad::optim {

/// A piece of a training's state: saved after a step as named tensors, restored from them before
/// the next one.
struct StatePiece {
  /// Its tensors are called "<name>/..." in the file, so no piece's name begins with another's and
  /// a slash. One may have none: it comes last, and all other tensors are its.
  std::string name;
  std::function<Safetensors()> save;
  std::function<void(const Safetensors&)> restore;  // throws FormatError for what does not fit
};

/// One whole number.
StatePiece number_piece(std::string name, std::function<Index()> get,
                        std::function<void(Index)> set);

/// The place of a loader: of anything with position() and seek(). Borrowed.
template <class Loader>
StatePiece position_of(Loader& loader, std::string name = "batches") {
  return number_piece(
      std::move(name), [&loader] { return loader.position(); },
      [&loader](Index position) { loader.seek(position); });
}

/// The values of all parameters and the states of all generators: a piece without a name, so that
/// the file's readers find the parameters under theirs. Borrowed.
template <Real T>
StatePiece parameters_of(const ParameterList<T>& parameters);

struct CheckpointOptions {
  std::filesystem::path folder = {};  // made when it is not there; for one training at a time
  Index every = 0;      // steps between checkpoints; 0: only at the end or when interrupted
  Index keep = 2;       // how many of the last ones stay, at least 1
  bool resume = false;  // go on from the newest one that is undamaged; else there may be none
  /// What the training was started with, by name; resuming with other settings is refused.
  std::map<std::string, std::string> settings = {};
  /// Told what went wrong although the training goes on; prints it on stderr when left out.
  std::function<void(const std::string&)> warn = {};
};

/// The checkpoints of one training: a folder of safetensors files with checksums, one for a step,
/// "step-000001000.safetensors". Each holds the state's pieces, and as metadata the format, the
/// step and the settings. Another process cannot use the folder meanwhile.
class Checkpoints {
 public:
  /// Makes the folder and removes what a killed process left half written in it. Throws OptionError
  /// for options out of range and for pieces whose names cannot be told apart, FileError for a
  /// folder that cannot be made or is in use, and FileError when it holds checkpoints already but
  /// `resume` is not set.
  Checkpoints(CheckpointOptions options, std::vector<StatePiece> pieces);

  /// Restores the newest undamaged checkpoint and returns its step; nothing when there is none at
  /// all. Warns about each damaged one that it passes over. Throws FormatError when all are
  /// damaged, when settings differ, naming the first that does, or a piece does not fit the
  /// training; then the training must not go on, as some pieces may be restored.
  std::optional<Index> resume();

  /// Whether a checkpoint is wanted after so many steps.
  bool due(Index step) const { return options_.every > 0 && step % options_.every == 0; }

  /// Saves the state after so many steps and then removes all but the last ones. When the file
  /// cannot be written it warns, with the path and the system's reason, and returns false; earlier
  /// checkpoints stay.
  bool save(Index step);

  /// Where the state after so many steps is kept.
  std::filesystem::path path(Index step) const;

 private:
  void restore(const Safetensors& file, const std::string& name) const;
  void require_separable() const;
  void require_settings(const Safetensors& file, const std::string& name) const;
  Safetensors collect(Index step) const;
  void remove_old(Index step);

  CheckpointOptions options_;
  std::vector<StatePiece> pieces_;
  std::optional<FolderLock> lock_;
  std::vector<Index> damaged_;  // steps of those passed over
};

/// The steps of the checkpoints in a folder, in ascending order; none when it does not exist.
std::vector<Index> checkpoint_steps(const std::filesystem::path& folder);

}  // namespace tapegrad::optim
