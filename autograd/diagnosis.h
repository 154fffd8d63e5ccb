// What a wrong gradient looks like, and so what is probably wrong.
#pragma once

#include <span>
#include <string>

#include "tensor/shape.h"

namespace tapegrad {

/// Everything about one parameter's gradient that a diagnosis uses; spans of one length, row-major.
struct GradientEvidence {
  std::string name;
  Shape shape;
  std::span<const double> analytic;
  std::span<const double> numeric;
  std::span<const double> value;  // of the parameter
  int uses = 1;                   // how many ops take the parameter
  Index batch = 0;                // samples behind the cost, when known
};

/// One sentence that explains the difference between the two gradients, or "" when no known pattern
/// fits: a constant ratio (2, 1/2, -1, 1/batch, any), a difference proportional to the parameter (a
/// penalty missing or scaled), zero where there should be a gradient, NaN, transposed, whole rows
/// or columns missing, one use out of several counted. A pattern fits when it leaves less than a
/// thousandth of the difference unexplained; the last is what remains of a parameter that is used
/// more than once.
std::string diagnose(const GradientEvidence& evidence);

}  // namespace tapegrad
