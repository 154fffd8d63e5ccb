// Gradient checks for people and for programs.
#pragma once

#include <string>

#include "autograd/gradcheck.h"

namespace tapegrad {

/// A table of every metric per parameter; the worst entries of those that failed, with name,
/// analytic and numeric value, its uncertainty and the relative error; the diagnosis
/// and, when the check failed, the histogram of errors.
std::string to_string(const GradcheckReport& report);

/// How many compared entries have a relative error |a - n| / max(eps, |a| + |n|) in each power of
/// ten, as a bar chart of text.
std::string error_histogram(const GradcheckReport& report, double eps = 1e-12);

/// Everything in the report as one JSON object: numbers that are not finite as strings.
std::string to_json(const GradcheckReport& report);

}  // namespace tapegrad
