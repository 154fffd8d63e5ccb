// A numeric slope beside the one that a gradient gives, and whether a kink excuses their
// difference.
#pragma once

#include "autograd/differences.h"

namespace tapegrad {

/// A slope from values of a function, with what is known about its error.
struct NumericSlope {
  double value;
  double uncertainty;
  bool kink;  // no verdict: the function has a kink there, and the analytic slope lies between the
              // slopes beside it
};

/// The scheme at the step h, which a kink inside the step spoils. Long steps that disagree with
/// `analytic` by more than `tolerance` are checked by shrinking ones.
NumericSlope fixed_step(const Line& f, double f0, Difference scheme, double h, double analytic,
                        double tolerance);

/// Six points at the step h; where they do not agree with `analytic` to `tolerance`, shrinking
/// steps decide. Where they agree though the one-sided slopes are far apart, the element may sit
/// right on a kink, whose middle slope it has.
NumericSlope best_effort(const Line& f, double f0, double h, double analytic, double tolerance);

}  // namespace tapegrad
