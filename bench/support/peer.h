// What every peer in C++ is: a program that trains when it is asked to.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bench/support/problem.h"

namespace tapegrad::bench {

/// A training under way.
class Training {
 public:
  Training() = default;
  virtual ~Training() = default;
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  virtual void step() = 0;

  /// The last step's loss, without the penalty, before that step's update.
  virtual double loss() const = 0;

  /// What else to say about the steps since the last call; one line.
  virtual std::string note() { return {}; }
};

/// Begins a training from the initial weights.
using Begin = std::function<std::unique_ptr<Training>(const Settings&)>;

/// A peer's main function. Receives the problem from the arguments and stdin; `prepare` is called
/// once with it and returns how to begin a training; the problem outlives all of them. Prints a
/// line about itself, then answers each line of stdin:
///   run STEPS                                      "wall-us processor-us loss note", per step
///   search WORKERS STEPS HALF_CYCLE LAMBDA ...     "wall-s processor-s loss": a training for each
///                                                  lambda, so many at a time; the first's loss
/// Returns the exit code.
int serve(std::span<char*> arguments, const std::string& description,
          const std::function<Begin(const Problem&)>& prepare);

}  // namespace tapegrad::bench
