#include "bench/support/report.h"

#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <fstream>

#include "tensor/runtime.h"

namespace tapegrad::bench {
namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

// These two change which kernels OpenBLAS runs, so a measurement under them is not to be compared.
std::string openblas_overrides() {
  std::string found;
  for (const char* name : {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}) {
    if (const char* value = std::getenv(name)) found += fmt::format(", {}={}", name, value);
  }
  return found;
}

}  // namespace

double median(std::vector<double> values) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string blas_description() {
  return fmt::format("{}, kernels {}, threads {}{}", openblas_get_config(), blas_core(),
                     openblas_get_num_threads(), openblas_overrides());
}

std::string machine_description() {
  return fmt::format("{}; {}; {}", processor(), build_info(), blas_description());
}

void print_target(std::string_view what, double measured, Bound bound, double target,
                  std::string_view unit) {
  const bool met = bound == Bound::at_most ? measured <= target : measured >= target;
  fmt::print("  {:<44} {:>8.3f} {:<9} target {} {:<7g} {}\n", what, measured, unit,
             bound == Bound::at_most ? "<=" : ">=", target, met ? "pass" : "FALLS SHORT");
}

}  // namespace tapegrad::bench
