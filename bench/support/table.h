// A short table of Google Benchmark's results: the medians of interleaved repetitions.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace tapegrad::bench {

/// Keeps each benchmark's median (or its one run) and prints all of them at the end, in the order
/// in which they were registered: name, time, then each counter as "value name".
class MedianTable final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

  /// A counter of a benchmark; NaN when it did not run.
  double counter(const std::string& benchmark, const std::string& counter) const;

 private:
  std::vector<Run> medians_;
  int name_width_ = 0;
};

/// Counters that print as so many billions of floating-point operations, or bytes, per second.
benchmark::Counter giga_per_second(double per_iteration);

/// A counter that prints as nanoseconds for each of the `count` things an iteration does.
benchmark::Counter nanoseconds_each(double count);

/// Runs the registered benchmarks that the command line selects, repeated and interleaved. Prints
/// the machine first. Returns the exit code.
int run_benchmarks(int argc, char** argv, MedianTable& table);

}  // namespace tapegrad::bench
