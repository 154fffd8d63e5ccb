#include "bench/support/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "bench/support/report.h"

namespace tapegrad::bench {
namespace {

using benchmark::Counter;
using Run = benchmark::BenchmarkReporter::Run;

// Processor time, unless the benchmark measures its time itself.
double time_of(const Run& run) {
  return run.run_name.time_type == "manual_time" ? run.GetAdjustedRealTime()
                                                 : run.GetAdjustedCPUTime();
}

bool is_result(const Run& run) {
  return run.aggregate_name == "median" ||
         (run.run_type == Run::RT_Iteration && run.repetitions <= 1);
}

}  // namespace

bool MedianTable::ReportContext(const Context& context) {
  name_width_ = static_cast<int>(context.name_field_width);
  return true;
}

void MedianTable::ReportRuns(const std::vector<Run>& runs) {
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(medians_), is_result);
}

void MedianTable::Finalize() {
  std::sort(medians_.begin(), medians_.end(), [](const Run& a, const Run& b) {
    return std::tuple(a.family_index, a.per_family_instance_index) <
           std::tuple(b.family_index, b.per_family_instance_index);
  });
  for (const Run& run : medians_) {
    fmt::print("  {:<{}} {:>10.1f} {}", run.run_name.function_name, name_width_, time_of(run),
               benchmark::GetTimeUnitString(run.time_unit));
    for (const auto& [name, counter] : run.counters) {
      fmt::print(" {:>9.1f} {}", counter.value, name);
    }
    fmt::print("\n");
  }
}

double MedianTable::counter(const std::string& benchmark, const std::string& counter) const {
  for (const Run& run : medians_) {
    const auto found = run.counters.find(counter);
    if (run.run_name.function_name == benchmark && found != run.counters.end()) {
      return found->second.value;
    }
  }
  return std::nan("");
}

Counter giga_per_second(double per_iteration) {
  return {per_iteration * 1e-9, Counter::kIsIterationInvariantRate};
}

Counter nanoseconds_each(double count) {
  return {count * 1e-9, Counter::kIsIterationInvariantRate | Counter::kInvert};
}

int run_benchmarks(int argc, char** argv, MedianTable& table) {
  // Before the user's own options, which therefore win.
  std::string defaults[] = {"--benchmark_enable_random_interleaving=true",
                            "--benchmark_repetitions=15", "--benchmark_min_time=0.02"};
  std::vector<char*> arguments{argv[0]};
  for (std::string& option : defaults) arguments.push_back(option.data());
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  fmt::print("{}\n", machine_description());
  std::fflush(stdout);
  benchmark::RunSpecifiedBenchmarks(&table);
  return 0;
}

}  // namespace tapegrad::bench
