// A line on the terminal that says how far a long run is.
#pragma once

#include <chrono>
#include <string_view>

#include "tensor/scalar.h"

namespace tapegrad::optim {

/// Redraws one line on stderr, at most ten times a second: steps done, rate, time left and a note.
/// Prints nothing at all when stderr is not a terminal.
class Progress {
 public:
  explicit Progress(Index total, bool enabled = true);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Says that `done` of the total are done.
  void update(Index done, std::string_view note = {});

  /// Wipes the line, so that other text can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  Index total_;
  bool enabled_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
};

}  // namespace tapegrad::optim
