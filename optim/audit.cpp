#include "optim/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/parameter_values.h"
#include "tensor/error.h"

namespace tapegrad::optim {
namespace {

using Tensors = std::vector<Tensor<double>>;

Tensors values(const ParameterList<double>& parameters) {
  Tensors all;
  for (const auto& p : parameters) all.emplace_back(p.parameter->value());
  return all;
}

// What happened to one parameter in one step.
struct Change {
  Tensor<double> before;  // its values
  Tensor<double> made;    // the change, per unit of learning rate: (before - after) / lr
  Tensor<double> asked;   // what the cost's gradient asks for
};

double norm(const Tensor<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

// NaN when any number is.
double largest(const Tensor<double>& x) {
  double most = 0;
  for (const double v : x) {
    if (std::isnan(v)) return v;
    most = std::max(most, std::abs(v));
  }
  return most;
}

Tensor<double> combine(const Tensor<double>& a, double k, const Tensor<double>& b) {
  Tensor<double> out = a;
  for (Index i = 0; i < out.size(); ++i) out[i] += k * b[i];
  return out;
}

double dot(const Tensor<double>& a, const Tensor<double>& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The k that makes k b nearest to a, if it leaves less than a thousandth of a; else NaN.
double ratio(const Tensor<double>& a, const Tensor<double>& b) {
  const double k = dot(a, b) / dot(b, b);
  return norm(combine(a, -k, b)) <= 1e-3 * norm(a) ? k : std::nan("");
}

double relative_error(const Change& c) {
  const double scale = std::max(largest(c.asked), largest(c.made));
  const double error = largest(combine(c.made, -1, c.asked));
  return error == 0 ? 0 : error / scale;
}

// What subtracting two nearly equal parameters loses, relative like relative_error.
double rounding(const Change& c, double lr) {
  const double scale = std::max(largest(c.asked), largest(c.made));
  return 8 * std::numeric_limits<double>::epsilon() * largest(c.before) / (lr * scale);
}

bool near(double x, double y) { return std::abs(x - y) <= 1e-3 * std::max(1e-3, std::abs(y)); }

// What share of the penalty's gradient, 2 lambda w, is in the update, given that the rest is right.
std::string penalty_mistake(double share, const AuditOptions& options) {
  if (near(share, 0)) return "penalty in the cost but not in the update";
  if (near(share, 0.5)) return "half of 2 lambda W in the update (lambda W)";
  if (options.batch_size > 1 && near(share, 1.0 / static_cast<double>(options.batch_size))) {
    return fmt::format("2 lambda W divided by the batch size ({}) in the update",
                       options.batch_size);
  }
  return fmt::format("{:.6g} times 2 lambda W in the update", share);
}

std::string diagnose_first(const std::string& name, bool matrix, const Change& c,
                           const AuditOptions& options, double& share) {
  const Tensor<double> difference = combine(c.made, -1, c.asked);
  if (largest(c.made) == 0) return fmt::format("{}: is not updated at all", name);
  const double of_parameter = ratio(difference, c.before);
  if (!std::isnan(of_parameter)) {
    share = 1 + of_parameter / (2 * options.lambda);
    if (matrix) return fmt::format("{}: {}", name, penalty_mistake(share, options));
    return fmt::format("{}: decayed by {:.6g} times itself, though the cost does not penalise it",
                       name, of_parameter);
  }
  const double of_update = ratio(c.made, c.asked);
  if (!std::isnan(of_update)) {
    return fmt::format(
        "{}: the update is {:.6g} times what the cost asks for: learning rate or gradient "
        "scaled",
        name, of_update);
  }
  return fmt::format("{}: the update does not follow the cost's gradient", name);
}

// Which of the usual rules the second step follows instead.
std::string diagnose_momentum(const std::string& name, const Change& c,
                              const Tensor<double>& gradient) {
  if (largest(combine(c.made, -1, gradient)) <= 1e-6 * largest(gradient)) {
    return fmt::format("{}: the second step has no momentum", name);
  }
  return fmt::format("{}: right in the first step, wrong later: the momentum state is off", name);
}

void require_valid(const AuditOptions& options) {
  if (!options.lr)
    throw OptionError("audit_update: lr, the learning rate of each step, is missing");
  if (!(options.lambda > 0)) {
    throw OptionError(
        fmt::format("audit_update: lambda is {}, but must be above 0: without a penalty no "
                    "mistake in its gradient can show",
                    options.lambda));
  }
  if (options.steps < 1) throw OptionError("audit_update: steps must be at least 1");
}

}  // namespace

bool AuditReport::passed() const {
  return !parameters.empty() &&
         std::all_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.passed; });
}

std::string to_string(const AuditReport& report) {
  std::string text;
  for (const auto& p : report.parameters) {
    text += fmt::format("{:<16} error {:.2e}  {}\n", p.name, p.error, p.passed ? "pass" : "FAIL");
  }
  for (const std::string& line : report.diagnosis) text += fmt::format("diagnosis: {}\n", line);
  return text;
}

AuditReport audit_update(const ParameterList<double>& all, const Cost<double>& cost,
                         const std::function<void()>& step, const AuditOptions& options) {
  require_valid(options);
  const RestoreAtExit<double> restore{ParameterValues<double>(all)};
  const ParameterList<double> parameters = all.trainable();
  AuditReport report;
  Tensors velocity;
  for (const auto& p : parameters) {
    report.parameters.push_back({p.name, 0, 1, true});
    velocity.emplace_back(p.parameter->shape());
  }
  for (int t = 0; t < options.steps; ++t) {
    const double lr = options.lr(t);
    if (!(lr > 0) || !std::isfinite(lr)) {
      throw OptionError(fmt::format(
          "audit_update: lr is {} in step {}, but must be finite and above 0, or no update shows",
          lr, t));
    }
    const Tensors before = values(parameters);
    const Tensors gradient = gradients_of<double>(parameters, cost);
    step();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      AuditedParameter& audited = report.parameters[i];
      velocity[i] = combine(gradient[i], options.momentum, velocity[i]);
      Change change{
          before[i], Tensor<double>(before[i].shape()),
          options.nesterov ? combine(gradient[i], options.momentum, velocity[i]) : velocity[i]};
      const View<const double> after = parameters[i].parameter->value();
      for (Index j = 0; j < after.size(); ++j) change.made[j] = (before[i][j] - after[j]) / lr;
      const double error = relative_error(change);
      if (!std::isnan(audited.error) && !(error <= audited.error)) audited.error = error;
      const bool right = error == 0 || error <= options.tolerance + rounding(change, lr);
      if (right || !audited.passed) continue;
      audited.passed = false;
      report.diagnosis.push_back(t == 0
                                     ? diagnose_first(audited.name, before[i].shape().rank() >= 2,
                                                      change, options, audited.penalty_share)
                                     : diagnose_momentum(audited.name, change, gradient[i]));
    }
  }
  return report;
}

}  // namespace tapegrad::optim
