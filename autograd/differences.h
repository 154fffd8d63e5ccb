// Derivatives from function values alone, with their own error bars.
#pragma once

#include <functional>

namespace tapegrad {

/// How a slope is estimated from values of f:
///   forward     (f(h) - f(0)) / h                                            error O(h)
///   centred     (f(h) - f(-h)) / 2h                                          error O(h^2)
///   four_point  (8 (f1 - f-1) - (f2 - f-2)) / 12h                            error O(h^4)
///   six_point   (45 (f1 - f-1) - 9 (f2 - f-2) + (f3 - f-3)) / 60h            error O(h^6)
/// with f_k = f(k h).
enum class Difference { forward, centred, four_point, six_point };

/// The step that balances the scheme's truncation error against rounding: eps^(1/(order+1)).
double best_step(Difference scheme);

/// A point on a line through parameter space: the step that was really made, after rounding, and
/// the function's value there.
struct LinePoint {
  double step;
  double value;
};
using Line = std::function<LinePoint(double step)>;

/// An estimated derivative at 0.
struct Slope {
  double value;
  double noise;       // what rounding in f may contribute
  double truncation;  // what the scheme's neglected terms may contribute, estimated
  double left;        // the one-sided slopes at the smallest step used; they differ at a kink
  double right;
  double side_noise;  // what rounding in f may contribute to each of them

  double uncertainty() const { return noise + truncation; }
};

/// The scheme at step h > 0, with f0 = f(0).
Slope difference(const Line& f, double f0, Difference scheme, double h);

/// The best centred estimate over a ladder of shrinking steps from h down, each extrapolated from
/// its neighbour (Richardson); the one with the smallest estimated error is chosen (Ridders 1982),
/// or the shortest step's as it is, where its one-sided slopes are nearer to each other than that.
Slope refined_difference(const Line& f, double f0, double h);

/// Whether f has a kink within h of 0. Second differences S(h) = f(h) - 2 f(0) + f(-h) shrink like
/// h^2 for a smooth function and like h across a kink. So R(h) = S(h) - 4 S(h/2) is within rounding
/// for a smooth function, or, where h is large, shrinks like h^4; across a kink it does neither.
/// Two steps are looked at, h and h/2, because for each a kink has blind spots.
bool has_kink(const Line& f, double f0, double h);

}  // namespace tapegrad
