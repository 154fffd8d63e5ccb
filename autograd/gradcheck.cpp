#include "autograd/gradcheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "autograd/diagnosis.h"
#include "autograd/numeric_slope.h"
#include "autograd/ops.h"
#include "autograd/parameter_values.h"
#include "autograd/probe.h"
#include "autograd/vjp_audit.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace tapegrad {
namespace {

constexpr double eps = std::numeric_limits<double>::epsilon();

double evaluate(const Cost<double>& cost) {
  NoGrad<double> tape;
  return cost(tape).item();
}

Verdict judge(double analytic, const NumericSlope& numeric, double tolerance,
              double largest_uncertainty) {
  if (!std::isfinite(analytic) || !std::isfinite(numeric.value)) return Verdict::fail;
  if (numeric.kink) return Verdict::kink;
  const double error = std::abs(analytic - numeric.value);
  if (!(error <= tolerance + numeric.uncertainty)) return Verdict::fail;
  // Agreement within the tolerance counts whatever the error bar; within a long error bar it does
  // not.
  return error <= tolerance || numeric.uncertainty <= largest_uncertainty ? Verdict::pass
                                                                          : Verdict::inconclusive;
}

// ---- one parameter ----

// How often the tape's ops take each parameter.
std::vector<int> uses_of(const ParameterList<double>& parameters, const Tape<double>& tape) {
  std::vector<int> uses(parameters.size(), 0);
  for (const Node<double>* node : tape.nodes()) {
    for (int i = 0; i < node->operand_count; ++i) {
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        uses[p] += node->operands()[i]->is(*parameters[p].parameter);
      }
    }
  }
  return uses;
}

// The scale of a parameter's slopes: the mean size of the gradient's entries; along a direction of
// unit length the slope is as large as one entry.
double typical(std::span<const double> gradient) {
  double sum = 0;
  for (const double g : gradient) {
    if (std::isfinite(g)) sum += std::abs(g);
  }
  return gradient.empty() ? 0 : sum / static_cast<double>(gradient.size());
}

// Of all parameters. A gradient that is much smaller than this is mostly the others' rounding, as a
// bias's before batch normalization is, which cancels.
double largest_scale(const std::vector<Tensor<double>>& gradients) {
  double largest = 0;
  for (const Tensor<double>& g : gradients) largest = std::max(largest, typical(g.span()));
  return largest;
}

using Oracle = std::function<NumericSlope(std::size_t parameter, const Probe&, double analytic,
                                          double tolerance)>;

void count(ParameterCheck& check, double metric_eps) {
  std::vector<double> a, n;
  double worst_error = 0;
  for (std::size_t i = 0; i < check.entries.size(); ++i) {
    const GradcheckEntry& entry = check.entries[i];
    check.kinks += entry.verdict == Verdict::kink;
    check.inconclusive += entry.verdict == Verdict::inconclusive;
    if (entry.verdict != Verdict::pass && entry.verdict != Verdict::fail) continue;
    a.push_back(entry.analytic);
    n.push_back(entry.numeric);
    if (entry.verdict == Verdict::pass) continue;
    ++check.failed;
    double error = std::abs(entry.analytic - entry.numeric);
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    if (check.worst < 0 || error > worst_error) {
      check.worst = static_cast<Index>(i);
      worst_error = error;
    }
  }
  check.compared = std::ssize(a);
  check.metrics = gradient_metrics(a, n, metric_eps);
}

ParameterCheck check_parameter(std::size_t place, const NamedParameter<double>& named,
                               const Tensor<double>& gradient, double least_scale,
                               const Oracle& oracle, double tolerance,
                               const GradcheckOptions& options, Rng& rng) {
  ParameterCheck check;
  check.name = named.name;
  check.shape = named.parameter->shape();
  check.directions = options.directions > 0;
  const double usual = std::max(typical(gradient.span()), least_scale);
  // Along a direction one wrong element is 1 / sqrt(n) of itself, so less is tolerated there.
  if (check.directions && gradient.size() > 0) {
    tolerance = std::max(tolerance / std::sqrt(static_cast<double>(gradient.size())), 1e-10);
  }
  for (const Probe& probe :
       probes_of(named.parameter->size(), options.sample, options.directions, rng)) {
    const double analytic = slope_of(gradient.span(), probe);
    double scale = std::max(usual, std::isfinite(analytic) ? std::abs(analytic) : 0.0);
    const NumericSlope numeric = oracle(place, probe, analytic, tolerance * scale);
    if (std::isfinite(numeric.value)) scale = std::max(scale, std::abs(numeric.value));
    check.entries.push_back(
        {probe.index, analytic, numeric.value, numeric.uncertainty,
         judge(analytic, numeric, tolerance * scale, options.resolution * scale)});
  }
  count(check, options.metric_eps);
  return check;
}

// A diagnosis needs the whole gradient; a sample or directions give only parts of it.
void add_diagnosis(GradcheckReport& report, const ParameterCheck& check,
                   const Parameter<double>& parameter, int uses, Index batch_size) {
  if (check.failed == 0 || check.directions || std::ssize(check.entries) != parameter.size())
    return;
  std::vector<double> analytic, numeric;
  for (const GradcheckEntry& entry : check.entries) {
    const bool counts = entry.verdict == Verdict::pass || entry.verdict == Verdict::fail;
    analytic.push_back(entry.analytic);
    numeric.push_back(counts ? entry.numeric : entry.analytic);
  }
  const std::string text = diagnose({.name = check.name,
                                     .shape = check.shape,
                                     .analytic = analytic,
                                     .numeric = numeric,
                                     .value = parameter.value().span(),
                                     .uses = uses,
                                     .batch = batch_size});
  if (!text.empty()) report.diagnosis.push_back(text);
}

void require_valid(const ParameterList<double>& parameters, const GradcheckOptions& options) {
  if (options.h && !(*options.h > 0)) {
    throw OptionError(fmt::format("gradcheck: h is {}, but must be above 0", *options.h));
  }
  if (options.sample < 0 || options.directions < 0) {
    throw OptionError("gradcheck: sample and directions must be at least 0");
  }
  if (parameters.count() == 0) throw GradError("gradcheck: there are no parameters to check");
}

bool same_bits(View<const double> a, View<const double> b) {
  return a.size() == b.size() &&
         (a.size() == 0 || std::memcmp(a.data(), b.data(), a.span().size_bytes()) == 0);
}

// The values that a check finds, and leaves behind whatever happens. Frozen parameters are among
// them: a cost may move those (running statistics do).
class Originals {
 public:
  explicit Originals(const ParameterList<double>& all) : values_(all), restore_at_exit_(values_) {}

  /// Whether every parameter that is not frozen still has them.
  bool are_there() const {
    return std::all_of(values_.begin(), values_.end(), [](const auto& kept) {
      return kept.first->frozen() || same_bits(kept.second, kept.first->value());
    });
  }

 private:
  ParameterValues<double> values_;
  RestoreAtExit<double> restore_at_exit_;
};

// The cost, twice: a difference of its values must come from the parameters.
double require_repeatable(const Cost<double>& cost, const Originals& originals) {
  const double once = evaluate(cost), again = evaluate(cost);
  const bool same = once == again || (std::isnan(once) && std::isnan(again));
  if (!same && originals.are_there()) {
    throw GradError(fmt::format(
        "gradcheck: the cost is {} and, called again, {}: it must be the same batch and the same "
        "random numbers each time; with dropout, call set_training(false)",
        once, again));
  }
  return once;
}

GradcheckReport run(const ParameterList<double>& parameters, const Cost<double>& cost,
                    const Oracle& oracle, const Originals& originals, double tolerance,
                    const std::string& name, const GradcheckOptions& options) {
  GradcheckReport report;
  report.oracle = name;
  std::vector<int> uses;
  const auto gradients = gradients_of<double>(parameters, cost, [&](Tape<double>& tape) {
    uses = uses_of(parameters, tape);
    report.vjp_faults = audit_vjps(tape);
  });
  const double least = 1e-5 * largest_scale(gradients);
  Rng rng(options.seed);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    report.parameters.push_back(
        check_parameter(i, parameters[i], gradients[i], least, oracle, tolerance, options, rng));
    add_diagnosis(report, report.parameters.back(), *parameters[i].parameter, uses[i],
                  options.batch_size);
  }
  report.restored = originals.are_there();
  return report;
}

// The tangent 1 along a probe, for its scope.
class SeededTangent {
 public:
  SeededTangent(View<Dual> x, const Probe& probe) : x_(x) {
    if (probe.direction.empty()) {
      x_[probe.index].tangent = 1;
    } else {
      for (Index i = 0; i < x_.size(); ++i) {
        x_[i].tangent = probe.direction[static_cast<std::size_t>(i)];
      }
    }
  }
  ~SeededTangent() {
    for (Dual& x : x_) x.tangent = 0;
  }
  SeededTangent(const SeededTangent&) = delete;
  SeededTangent& operator=(const SeededTangent&) = delete;

 private:
  View<Dual> x_;
};

std::string describe(const GradcheckOptions& options) {
  if (!options.difference) return "six-point differences, refined where they disagree";
  constexpr const char* names[] = {"forward", "centred", "four-point", "six-point"};
  return fmt::format("{} differences, h = {:g}",
                     names[static_cast<std::size_t>(*options.difference)],
                     options.h.value_or(best_step(*options.difference)));
}

}  // namespace

std::string ParameterCheck::entry_name(const GradcheckEntry& entry) const {
  if (directions) return fmt::format("{}, direction {}", name, entry.index);
  std::string index;
  Index rest = entry.index;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index = fmt::format("{}{}{}", rest % shape[axis], index.empty() ? "" : ",", index);
    rest /= shape[axis];
  }
  return fmt::format("{}[{}]", name, index);
}

bool ParameterCheck::passed() const {
  const bool enough = compared > 0 || shape.size() == 0;
  return failed == 0 && enough && 10 * inconclusive <= std::ssize(entries);
}

bool GradcheckReport::passed() const {
  return restored && vjp_faults.empty() && !parameters.empty() &&
         std::all_of(parameters.begin(), parameters.end(),
                     [](const ParameterCheck& p) { return p.passed(); });
}

GradcheckReport gradcheck(const ParameterList<double>& all, const Cost<double>& cost,
                          const GradcheckOptions& options) {
  const ParameterList<double> parameters = all.trainable();
  require_valid(parameters, options);
  const Originals originals(all);
  const double f0 = require_repeatable(cost, originals);
  const Oracle oracle = [&](std::size_t i, const Probe& probe, double analytic, double tolerance) {
    Perturbation x(*parameters[i].parameter, probe);
    const Line f = [&](double step) {
      const double made = x.move(step);
      return LinePoint{made, evaluate(cost)};
    };
    if (!options.difference) {
      const double h = options.h.value_or(best_step(Difference::six_point) * x.magnitude());
      return best_effort(f, f0, h, analytic, tolerance);
    }
    const double h = options.h.value_or(best_step(*options.difference) * x.magnitude());
    return fixed_step(f, f0, *options.difference, h, analytic, tolerance);
  };
  return run(parameters, cost, oracle, originals, options.tolerance, describe(options), options);
}

GradcheckReport gradcheck(const ParameterList<double>& all, const Cost<double>& cost,
                          const DualTwin& twin, const GradcheckOptions& options) {
  const ParameterList<double> parameters = all.trainable();
  require_valid(parameters, options);
  const Originals originals(all);
  require_repeatable(cost, originals);
  copy_values(all, twin.parameters);
  const Oracle oracle = [&](std::size_t i, const Probe& probe, double analytic, double) {
    const SeededTangent seeded(twin.parameters.at(parameters[i].name).write(), probe);
    NoGrad<Dual> tape;
    const double tangent = twin.cost(tape).item().tangent;
    return NumericSlope{tangent, 64 * eps * std::max(std::abs(tangent), std::abs(analytic)), false};
  };
  return run(parameters, cost, oracle, originals, options.tolerance / 1000,
             "exact forward-mode derivatives", options);
}

GradcheckReport gradcheck_float(const ParameterList<float>& all, const Cost<float>& cost,
                                const ParameterList<double>& reference_all,
                                const Cost<double>& reference_cost, double tolerance) {
  copy_values(reference_all, all);
  const RestoreAtExit<float> restore{ParameterValues<float>(all)};
  const RestoreAtExit<double> restore_reference{ParameterValues<double>(reference_all)};
  const ParameterList<double> reference = reference_all.trainable();
  ParameterList<float> parameters;
  for (const auto& p : reference) parameters.add(p.name, all.at(p.name));
  const auto exact = gradients_of<double>(reference, reference_cost);
  const auto gradients = gradients_of<float>(parameters, cost);
  const double rounding = 8 * std::numeric_limits<float>::epsilon() * largest_scale(exact);
  GradcheckReport report;
  report.oracle = "the double model's backward pass";
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    ParameterCheck check;
    check.name = parameters[i].name;
    check.shape = parameters[i].parameter->shape();
    const std::vector<double> a(gradients[i].begin(), gradients[i].end());
    const std::span<const double> n = exact[i].span();
    const bool agrees = gradient_metrics(a, n).norm_relative <= tolerance;
    const double limit = std::max(tolerance * typical(n), rounding);
    for (std::size_t j = 0; j < n.size(); ++j) {
      const bool wrong = !agrees && !(std::abs(a[j] - n[j]) <= limit);
      check.entries.push_back(
          {static_cast<Index>(j), a[j], n[j], limit, wrong ? Verdict::fail : Verdict::pass});
    }
    count(check, GradcheckOptions{}.metric_eps);
    report.parameters.push_back(std::move(check));
  }
  return report;
}

GradcheckReport gradcheck(const std::vector<Tensor<double>>& inputs,
                          const std::function<Var<double>(std::span<const Var<double>>)>& f,
                          const GradcheckOptions& options) {
  std::vector<std::unique_ptr<Parameter<double>>> owned;
  ParameterList<double> parameters;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    owned.push_back(std::make_unique<Parameter<double>>(inputs[i]));
    parameters.add(fmt::format("in{}", i), *owned.back());
  }
  Tensor<double> weights;
  const Cost<double> cost = [&](Tape<double>& tape) {
    std::vector<Var<double>> x;
    for (const auto& p : owned) x.push_back(tape.parameter(*p));
    const Var<double> y = f(x);
    if (y.shape().size() == 1) return reshape(y, Shape{});
    // a stream that no input was drawn from: a vjp that takes its input for dy must not pass
    if (weights.shape() != y.shape()) weights = Rng(1).split().normal<double>(y.shape(), 1);
    return sum(y * tape.constant(weights));
  };
  return gradcheck(parameters, cost, options);
}

}  // namespace tapegrad
