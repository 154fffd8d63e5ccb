// Wall and processor time together.
#pragma once

#include <time.h>

#include <chrono>

namespace tapegrad::bench {

/// Seconds since this object was made. On a machine that others use too, wall time counts their
/// turns; processor time does not, but counts what several threads do at once several times.
class Stopwatch {
 public:
  double wall() const { return std::chrono::duration<double>(Steady::now() - wall_).count(); }
  double processor() const { return processor_now() - processor_; }

 private:
  using Steady = std::chrono::steady_clock;

  static double processor_now() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  Steady::time_point wall_ = Steady::now();
  double processor_ = processor_now();
};

}  // namespace tapegrad::bench
