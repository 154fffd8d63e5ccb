// A line on the terminal that says how far a long run is.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string_view>

#include "tensor/scalar.h"

namespace tapegrad::optim {

/// Redraws one line on stderr, at most ten times a second: steps done, rate, time left and a note.
/// Prints nothing at all when stderr is not a terminal.
class Progress {
 public:
  /// Of the total, `already_done` were done before, as by a run that is now resumed: the rate and
  /// the time left are of the others.
  explicit Progress(Index total, bool enabled = true, Index already_done = 0);
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
  Index already_done_;
  bool enabled_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
};

/// Counts what several threads do and shows it as Progress does.
class SharedProgress {
 public:
  explicit SharedProgress(Index total, bool enabled = true) : progress_(total, enabled) {}

  /// One more is done.
  void step();

 private:
  std::atomic<Index> done_ = 0;
  std::mutex mutex_;
  Progress progress_;
};

}  // namespace tapegrad::optim
