#include "autograd/gradcheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string_view>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace tapegrad {
namespace {

using Cost = std::function<Var<double>(Tape<double>&)>;

// A cost and which side of its kinks every ReLU was on.
struct Evaluation {
  double value;
  std::uint64_t branches;
};

// A hash of the signs of all ReLU outputs on the tape (FNV-1a over one bit per element).
std::uint64_t relu_branches(const Tape<double>& tape) {
  std::uint64_t hash = 14695981039346656037U;
  for (const Node<double>* node : tape.nodes()) {
    if (std::string_view(node->op) != "relu") continue;
    for (Index i = 0; i < node->shape.size(); ++i) {
      hash = (hash ^ (node->value[i] > 0 ? 1U : 0U)) * 1099511628211U;
    }
  }
  return hash;
}

Evaluation evaluate(const Cost& cost) {
  NoGrad<double> tape;
  const double value = cost(tape).item();
  return {value, relu_branches(tape)};
}

// Moves one element and puts the old bits back at the end of its scope.
class Perturbation {
 public:
  Perturbation(Parameter<double>& parameter, Index i)
      : element_(parameter.write()[i]), original_(element_) {}
  ~Perturbation() { element_ = original_; }
  Perturbation(const Perturbation&) = delete;
  Perturbation& operator=(const Perturbation&) = delete;

  /// Sets x + h and returns the step that was really made, after rounding.
  double move(double h) {
    element_ = original_ + h;
    return element_ - original_;
  }

 private:
  double& element_;
  double original_;
};

struct Slope {
  double value;
  bool kink;
};

Slope difference(const Cost& cost, const Evaluation& base, Parameter<double>& parameter, Index i,
                 const GradcheckOptions& options) {
  Perturbation x(parameter, i);
  const double up = x.move(options.h);
  const Evaluation above = evaluate(cost);
  if (options.difference == Difference::forward) {
    return {(above.value - base.value) / up, above.branches != base.branches};
  }
  const double down = x.move(-options.h);
  const Evaluation below = evaluate(cost);
  return {(above.value - below.value) / (up - down),
          above.branches != base.branches || below.branches != base.branches};
}

// Fills the verdict from the entries that were compared, with their places in the parameter.
void judge(ParameterCheck& check, std::span<const double> a, std::span<const double> n,
           std::span<const Index> places, double noise, const GradcheckOptions& options) {
  check.compared = std::ssize(a);
  check.metrics = gradient_metrics(a, n, options.metric_eps);
  double mean = 0;
  for (const double x : n) mean += std::abs(x) / static_cast<double>(n.size());
  double worst_excess = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double allowed =
        options.tolerance * std::max({std::abs(a[i]), std::abs(n[i]), mean}) + noise;
    const double error = std::abs(a[i] - n[i]);
    if (error <= allowed) continue;
    ++check.failed;
    const double excess =
        std::isnan(error) ? std::numeric_limits<double>::infinity() : error / allowed;
    if (check.worst >= 0 && !(excess > worst_excess)) continue;
    worst_excess = excess;
    check.worst = places[i];
    check.worst_analytic = a[i];
    check.worst_numeric = n[i];
  }
}

ParameterCheck check_parameter(const NamedParameter<double>& named, const Tensor<double>& gradient,
                               const Cost& cost, const Evaluation& base,
                               const GradcheckOptions& options) {
  ParameterCheck check;
  check.name = named.name;
  check.shape = named.parameter->shape();
  std::vector<double> a, n;
  std::vector<Index> places;
  for (Index i = 0; i < named.parameter->size(); ++i) {
    const Slope slope = difference(cost, base, *named.parameter, i, options);
    if (slope.kink) {
      ++check.kinks;
      continue;
    }
    a.push_back(gradient[i]);
    n.push_back(slope.value);
    places.push_back(i);
  }
  const double ulp = std::numeric_limits<double>::epsilon() * std::max(1.0, std::abs(base.value));
  judge(check, a, n, places, 64 * ulp / options.h, options);
  return check;
}

}  // namespace

GradientMetrics gradient_metrics(std::span<const double> a, std::span<const double> n, double eps) {
  GradientMetrics m;
  double sum_error = 0, sum_scale = 0, sum_relative = 0, small = 0;
  double error_squares = 0, a_squares = 0, n_squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - n[i]);
    const double scale = std::max(eps, std::abs(a[i]) + std::abs(n[i]));
    m.max_absolute = std::max(m.max_absolute, error);
    m.max_relative = std::max(m.max_relative, error / scale);
    sum_error += error;
    sum_scale += scale;
    sum_relative += error / scale;
    small += error < 1e-6;
    error_squares += error * error;
    a_squares += a[i] * a[i];
    n_squares += n[i] * n[i];
  }
  if (a.empty()) return m;
  if (std::isnan(sum_error)) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan, nan, nan, nan, nan, nan};
  }
  const auto count = static_cast<double>(a.size());
  m.mean_absolute = sum_error / count;
  m.share_small = small / count;
  m.mean_relative = sum_relative / count;
  m.sum_relative = sum_error / sum_scale;
  m.norm_relative =
      std::sqrt(error_squares) / std::max(eps, std::sqrt(a_squares) + std::sqrt(n_squares));
  return m;
}

std::string ParameterCheck::worst_name() const {
  std::string index;
  Index rest = worst;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index = fmt::format("{}{}{}", rest % shape[axis], index.empty() ? "" : ",", index);
    rest /= shape[axis];
  }
  return fmt::format("{}[{}]", name, index);
}

bool GradcheckReport::passed() const {
  return !parameters.empty() && std::all_of(parameters.begin(), parameters.end(),
                                            [](const ParameterCheck& p) { return p.passed(); });
}

std::string to_string(const GradcheckReport& report) {
  std::size_t width = 9;
  for (const auto& p : report.parameters) width = std::max(width, p.name.size());
  std::string text =
      fmt::format("{:<{}} {:>8} {:>6} {:>10} {:>10} {:>7} {:>10} {:>10} {:>10} {:>10}\n",
                  "parameter", width, "compared", "kinks", "max|a-n|", "mean|a-n|", "<1e-6",
                  "max rel", "mean rel", "sum/sum", "norm");
  for (const auto& p : report.parameters) {
    const GradientMetrics& m = p.metrics;
    text += fmt::format(
        "{:<{}} {:>8} {:>6} {:>10.3e} {:>10.3e} {:>6.1f}% {:>10.3e} {:>10.3e} {:>10.3e} {:>10.3e}  "
        "{}\n",
        p.name, width, p.compared, p.kinks, m.max_absolute, m.mean_absolute, 100 * m.share_small,
        m.max_relative, m.mean_relative, m.sum_relative, m.norm_relative,
        p.passed() ? "pass" : "FAIL");
  }
  for (const auto& p : report.parameters) {
    if (p.worst >= 0) {
      text += fmt::format("{}: analytic {:.10g}, numeric {:.10g}; {} of {} entries are wrong\n",
                          p.worst_name(), p.worst_analytic, p.worst_numeric, p.failed, p.compared);
    } else if (!p.passed()) {
      text += fmt::format("{}: nothing was compared, every entry lies on a kink\n", p.name);
    }
  }
  return text;
}

GradcheckReport gradcheck(const ParameterList<double>& parameters, const Cost& cost,
                          const GradcheckOptions& options) {
  if (!(options.h > 0))
    throw OptionError(fmt::format("gradcheck: h is {}, but must be above 0", options.h));
  if (parameters.count() == 0) throw GradError("gradcheck: there are no parameters to check");
  {
    Tape<double> tape;
    tape.backward(cost(tape));
  }
  std::vector<Tensor<double>> gradients;  // a cost that runs backward itself would overwrite them
  for (const auto& p : parameters) gradients.emplace_back(p.parameter->gradient());
  const Evaluation base = evaluate(cost);
  GradcheckReport report;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    report.parameters.push_back(check_parameter(parameters[i], gradients[i], cost, base, options));
    parameters[i].parameter->consume_gradient();
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
  return gradcheck(
      parameters,
      [&](Tape<double>& tape) {
        std::vector<Var<double>> x;
        for (const auto& p : owned) x.push_back(tape.parameter(*p));
        const Var<double> y = f(x);
        if (y.shape().size() == 1) return reshape(y, Shape{});
        if (weights.shape() != y.shape()) weights = Rng(1).normal<double>(y.shape(), 1);
        return sum(y * tape.constant(weights));
      },
      options);
}

}  // namespace tapegrad
