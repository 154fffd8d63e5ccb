// What every benchmark prints: the machine, medians, and whether a target is met.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tapegrad::bench {

/// The middle value; the mean of the two middle ones of an even number. At least one value.
double median(std::vector<double> values);

/// How OpenBLAS was built, which kernels it chose and how many threads it uses.
std::string blas_description();

/// One line: processor, what our loops and products run on, OpenBLAS.
std::string machine_description();

enum class Bound : bool { at_most, at_least };

/// "what   measured unit   target <= 40 unit   pass" (or "FALLS SHORT").
void print_target(std::string_view what, double measured, Bound bound, double target,
                  std::string_view unit);

}  // namespace tapegrad::bench
