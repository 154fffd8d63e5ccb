// Gradients compared with finite differences, element by element.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/parameter_list.h"
#include "autograd/tape.h"

namespace tapegrad {

/// forward: (f(x+h) - f(x)) / h, error O(h). centred: (f(x+h) - f(x-h)) / 2h, error O(h^2).
enum class Difference { forward, centred };

struct GradcheckOptions {
  Difference difference = Difference::centred;
  double h = 1e-5;            // the perturbation, > 0
  double tolerance = 1e-6;    // an entry passes when |a - n| <= tolerance * its scale + noise
  double metric_eps = 1e-12;  // the floor of the denominators in the metrics
};

/// The measures in use for comparing an analytic gradient a with a numeric one n.
struct GradientMetrics {
  double max_absolute = 0;   // max |a - n|
  double mean_absolute = 0;  // mean |a - n|
  double share_small = 0;    // the share of entries with |a - n| < 1e-6
  double max_relative = 0;   // max of |a - n| / max(eps, |a| + |n|)
  double mean_relative = 0;  // its mean
  double sum_relative = 0;   // sum |a - n| / sum max(eps, |a| + |n|)
  double norm_relative = 0;  // ||a - n|| / max(eps, ||a|| + ||n||)
};

/// The metrics of two gradients of the same length. A NaN in either makes every one of them NaN.
GradientMetrics gradient_metrics(std::span<const double> a, std::span<const double> n,
                                 double eps = 1e-12);

/// What was found for one parameter.
struct ParameterCheck {
  std::string name;
  Shape shape;
  Index compared = 0;  // entries that entered the comparison
  Index kinks = 0;     // entries left out because the perturbation switched a ReLU
  Index failed = 0;    // entries outside the tolerance
  GradientMetrics metrics;
  Index worst = -1;  // the entry farthest outside its tolerance, in row-major order; -1: none
  double worst_analytic = 0;
  double worst_numeric = 0;

  /// "fc1.weight[17,203]"
  std::string worst_name() const;

  /// All entries inside the tolerance, and at least one compared unless the parameter is empty.
  bool passed() const { return failed == 0 && (compared > 0 || shape.size() == 0); }
};

struct GradcheckReport {
  std::vector<ParameterCheck> parameters;

  bool passed() const;
};

/// A table of every metric per parameter, followed by the worst entries of those that failed.
std::string to_string(const GradcheckReport& report);

/// Compares the gradient that backward gives with finite differences, for every element of every
/// parameter. `cost` records a scalar function of the parameters; it is called again and again and
/// must be a pure function of them (same batch, same random numbers). Entries whose perturbation
/// switches a ReLU on or off are counted as kinks and left out: no difference quotient across a
/// kink is a derivative. Parameters come back bit for bit, also when `cost` throws. An entry passes
/// when
///   !( |a - n| > tolerance * max(|a|, |n|, mean |n|) + 64 ulp(f) / h ),
/// and NaN fails. Throws OptionError for h <= 0 and GradError when there is nothing to check.
GradcheckReport gradcheck(const ParameterList<double>& parameters,
                          const std::function<Var<double>(Tape<double>&)>& cost,
                          const GradcheckOptions& options = {});

/// The same for a function of tensors, which are named in0, in1, ... A result that is not a single
/// number is multiplied by fixed random weights and summed, so every Jacobian entry takes part.
GradcheckReport gradcheck(const std::vector<Tensor<double>>& inputs,
                          const std::function<Var<double>(std::span<const Var<double>>)>& f,
                          const GradcheckOptions& options = {});

}  // namespace tapegrad
