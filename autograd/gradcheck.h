// Gradients compared with independent ones, entry by entry.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autograd/cost_gradients.h"
#include "autograd/differences.h"
#include "autograd/gradient_metrics.h"
#include "autograd/parameter_list.h"
#include "autograd/tape.h"

namespace tapegrad {

struct GradcheckOptions {
  /// The scheme; without one, six-point differences, refined over shrinking steps where they
  /// disagree.
  std::optional<Difference> difference = {};
  /// The perturbation, > 0; without one, the best for the scheme times max(1, |x|).
  std::optional<double> h = {};
  double tolerance = 1e-7;  // an entry agrees when |a - n| <= tolerance * its scale + uncertainty
  double resolution =
      1e-4;  // the largest uncertainty, relative to the scale, that allows a verdict
  double metric_eps = 1e-12;  // the floor of the denominators in the metrics
  Index sample = 0;           // entries per parameter, at random places; 0: all
  Index directions = 0;       // > 0: so many random +-1 directions per parameter instead of entries
  std::uint64_t seed = 1;     // of the sample and the directions
  Index batch_size = 0;       // names a division by it in the diagnosis; 0 when unknown
};

/// What became of an entry. pass: analytic and numeric agree. fail: they do not. kink: the function
/// has one-sided slopes only, or the fixed step crosses a kink. inconclusive: the numeric value is
/// too uncertain to tell.
enum class Verdict { pass, fail, kink, inconclusive };

/// One comparison: an element of a parameter, or the slope along a random direction in it.
struct GradcheckEntry {
  Index index;  // row-major, or the number of the direction
  double analytic;
  double numeric;
  double uncertainty;  // of the numeric value
  Verdict verdict;
};

/// What was found for one parameter.
struct ParameterCheck {
  std::string name;
  Shape shape;
  bool directions = false;              // entries are directions, not elements
  std::vector<GradcheckEntry> entries;  // all, whatever their verdict
  Index compared = 0;                   // entries that passed or failed
  Index failed = 0;
  Index kinks = 0;
  Index inconclusive = 0;
  GradientMetrics metrics;  // of the compared entries
  Index worst = -1;         // the place in `entries` of the worst that failed; -1: none

  /// "fc1.weight[17,203]", or "fc1.weight, direction 3".
  std::string entry_name(const GradcheckEntry& entry) const;

  /// No entry failed; at least one was compared, unless the parameter is empty; and at most one in
  /// ten was inconclusive.
  bool passed() const;
};

struct GradcheckReport {
  std::string oracle;  // what the analytic gradient was compared with, for people
  std::vector<ParameterCheck> parameters;
  std::vector<std::string> diagnosis;   // what the failures look like; see diagnose()
  std::vector<std::string> vjp_faults;  // see audit_vjps(): a failure, whatever the entries say
  bool restored = true;                 // the cost left every parameter as it was

  bool passed() const;
};

/// Compares the gradient that backward gives with finite differences, for every entry of every
/// parameter that is not frozen. All parameters come back bit for bit, also when `cost` throws; a
/// cost that changes one that is not frozen fails the check. An entry's scale is max(|a|, |n|,
/// mean |a| over the parameter, 1e-5 of the largest of these means). Kinks (ReLU, max, abs, hinge)
/// are recognised by one-sided slopes that differ, with the analytic value between them, counted
/// and left out. NaN fails. So does an op whose vjp writes where it should add, or the other way
/// round, though every entry may be right. Throws OptionError for options out of range, and
/// GradError when there is nothing to check or the cost, called again, has another value.
GradcheckReport gradcheck(const ParameterList<double>& parameters, const Cost<double>& cost,
                          const GradcheckOptions& options = {});

/// The same function made of Dual numbers: a second model, with the first one's names and shapes.
struct DualTwin {
  ParameterList<Dual> parameters;
  Cost<Dual> cost;
};

/// Compares with exact derivatives: each entry is the tangent that forward mode carries through the
/// twin, which uses no vjp, no step and no cancellation. Values are copied into the twin first.
/// Only the rounding of the sums is left, so an entry agrees to tolerance / 1000.
GradcheckReport gradcheck(const ParameterList<double>& parameters, const Cost<double>& cost,
                          const DualTwin& twin, const GradcheckOptions& options = {});

/// Compares a float model's backward with the double one's: for each parameter that is not frozen
/// in the double model ||a - n|| must be at most tolerance * (||a|| + ||n||), or every |a - n| at
/// most tolerance * mean |n| or 8 roundings of the largest such mean. Values are copied from the
/// double model first.
GradcheckReport gradcheck_float(const ParameterList<float>& parameters, const Cost<float>& cost,
                                const ParameterList<double>& reference,
                                const Cost<double>& reference_cost, double tolerance = 1e-5);

/// A function of tensors, which are named in0, in1, ... A result that is not a single number is
/// multiplied by fixed random weights and summed, so every entry of the Jacobian takes part.
GradcheckReport gradcheck(const std::vector<Tensor<double>>& inputs,
                          const std::function<Var<double>(std::span<const Var<double>>)>& f,
                          const GradcheckOptions& options = {});

}  // namespace tapegrad
