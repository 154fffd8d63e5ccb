#include "examples/support/checkpoint_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "examples/support/print.h"
#include "examples/support/run_folder.h"
#include "tensor/file.h"

namespace tapegrad::examples {
namespace {

namespace fs = std::filesystem;

// Options that the trained numbers do not depend on; of the images their bytes count.
constexpr std::string_view free_options[] = {
    "checkpoint",       "every",         "resume",     "out",           "threads",
    "pictures",         "profile",       "quiet",      "data",          "synthetic",
    "synthetic-images", "train-batches", "validation", "detect-anomaly"};

// The folder and those in it that hold checkpoints.
std::vector<fs::path> folders_with_checkpoints(const fs::path& folder) {
  std::vector<fs::path> found;
  if (!optim::checkpoint_steps(folder).empty()) found.push_back(folder);
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; entry != end; entry.increment(none)) {
    if (!optim::checkpoint_steps(entry->path()).empty()) found.push_back(entry->path());
  }
  return found;
}

}  // namespace

void CheckpointOptions::add_options(CommandLine& command_line) {
  command_line
      .text("--checkpoint", folder,
            "Keep the training's state in this folder, so that --resume can go on after an "
            "interruption, to the same bits")
      .count("--every", every, 0, 1'000'000'000,
             fmt::format("Steps between checkpoints, {} when left out; 0: only at the end and when "
                         "interrupted",
                         default_every))
      .flag("--resume", resume, "Go on from the newest checkpoint; start when there is none");
}

void CheckpointOptions::check() const {
  if (!given()) {
    if (every) {
      throw UsageError(
          "--every says how often to keep the training's state: give the --checkpoint folder too, "
          "or leave it out");
    }
    if (resume) throw UsageError("--resume needs the --checkpoint folder to go on from");
  } else if (const auto kept = folders_with_checkpoints(folder); !resume && !kept.empty()) {
    for (const fs::path& each : kept) FolderLock{each};  // nobody is told to remove what is in use
    throw UsageError(fmt::format(
        "{} holds checkpoints of an earlier training: --resume goes on with it; remove them to "
        "start anew",
        folder));
  }
}

bool CheckpointOptions::any() const { return given() && !folders_with_checkpoints(folder).empty(); }

optim::CheckpointOptions CheckpointOptions::in(const std::string& inner,
                                               const CommandLine& command_line,
                                               const Dataset& images) const {
  optim::CheckpointOptions options{
      .folder = inner.empty() ? fs::path(folder) : fs::path(folder) / inner,
      .every = every.value_or(default_every),
      .resume = resume};
  for (const auto& [name, value] : command_line.values()) {
    if (std::ranges::find(free_options, name) == std::end(free_options)) {
      options.settings["--" + name] = value;
    }
  }
  options.settings["the training images"] = mark(images.train);
  options.settings["the validation images"] = mark(images.validation);
  return options;
}

Keeping CheckpointOptions::keeping(const Dataset& images) const {
  if (!given()) return {};
  return {folder, every.value_or(default_every), resume,
          digest(images.train) + digest(images.validation)};
}

template <Real T>
Index resume(optim::Trainer<T>& trainer, const optim::CheckpointOptions& options,
             const ParameterList<T>& parameters, std::vector<optim::StatePiece> others,
             bool quiet) {
  const bool found = !optim::checkpoint_steps(options.folder).empty();
  const Index step = trainer.checkpoint(options, parameters, std::move(others));
  if (!options.resume) return step;
  if (found) {
    print("going on after step {} from {}\n", step, options.folder.string());
  } else {
    print("no checkpoint in {}: starting anew\n", options.folder.string());
  }
  if (const auto print_row = print_unless(quiet)) {
    for (const optim::Measurement& m : trainer.history()) print_row(m);
  }
  return step;
}

template Index resume(optim::Trainer<float>&, const optim::CheckpointOptions&,
                      const ParameterList<float>&, std::vector<optim::StatePiece>, bool);
template Index resume(optim::Trainer<double>&, const optim::CheckpointOptions&,
                      const ParameterList<double>&, std::vector<optim::StatePiece>, bool);

}  // namespace tapegrad::examples
