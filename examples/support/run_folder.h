// What a training program leaves behind: history.csv, summary.json and weights.safetensors.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autograd/parameter_list.h"
#include "examples/support/command_line.h"
#include "examples/support/dataset.h"
#include "optim/history.h"

namespace tapegrad::examples {

/// The files that Run::save writes.
inline constexpr const char* result_names[] = {"history.csv", "summary.json",
                                               "weights.safetensors"};

/// Makes the folder if it is not there and makes sure that files can be written into it, these
/// above all, before a long run starts. Throws FileError.
void prepare_folder(const std::filesystem::path& folder, std::span<const char* const> files = {});

/// How good the weights that a run leaves are on the three sets, the penalty that turns a loss into
/// a cost, and the step that they are of.
struct FinalScores {
  Index step = 0;
  double penalty = 0;
  optim::Scores train;
  optim::Scores validation;
  optim::Scores test;
};

FinalScores final_scores(const optim::Measurement& kept, const optim::Scores& test);

/// A table of cost, loss and accuracy, a line per set.
std::string to_string(const FinalScores& scores);

/// A callback that prints a line for each measurement, or none when `quiet`.
std::function<void(const optim::Measurement&)> print_unless(bool quiet);

/// One run of a program and the folder that keeps it.
class Run {
 public:
  /// Prepares the folder and starts the clock. Throws FileError.
  Run(std::string program, std::filesystem::path folder);

  /// Writes the three files: history.csv; summary.json with the program, the data source and the
  /// SHA-256 of each file, every option, parameters, steps, seconds and final scores; and
  /// weights.safetensors with the parameters and the standardizer their inputs went through.
  template <Real T>
  void save(const std::vector<optim::Measurement>& history, const FinalScores& scores,
            const ParameterList<T>& parameters, const Dataset& images,
            const CommandLine& command_line);

  /// Tells that a resumed run began after so many steps: the seconds are those of the others.
  void went_on_after(Index step) { steps_before_ = step; }

  /// "1000 steps in 2.2 s; history.csv, ... in runs/assignment2"
  std::string closing_line() const;

 private:
  std::string program_;
  std::filesystem::path folder_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_ = 0;
  Index steps_ = 0;
  Index steps_before_ = 0;
};

}  // namespace tapegrad::examples
