#include "autograd/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace tapegrad {
namespace {

using Numbers = std::span<const double>;

double dot(Numbers a, Numbers b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> minus(Numbers a, Numbers b, double k = 1) {
  std::vector<double> out(a.begin(), a.end());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] -= k * b[i];
  return out;
}

double norm(Numbers a) { return std::sqrt(dot(a, a)); }

// a = k b but for a thousandth of what there is to explain; false when b is zero.
bool proportional(Numbers a, Numbers b, double& k, double to_explain) {
  const double squares = dot(b, b);
  if (!(squares > 0)) return false;
  k = dot(a, b) / squares;
  return norm(minus(a, b, k)) <= 1e-3 * to_explain;
}

bool near(double x, double y) { return std::abs(x - y) <= 1e-4 * std::abs(y); }

// "2", "1/2", "-1", or six digits.
std::string ratio_text(double k) {
  for (const double whole : {1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0}) {
    for (const double sign : {1.0, -1.0}) {
      if (near(k, sign * whole)) return fmt::format("{}", sign * whole);
      if (near(k, sign / whole)) return fmt::format("{}1/{}", sign < 0 ? "-" : "", whole);
    }
  }
  return fmt::format("{:.6g}", k);
}

std::string not_finite(const GradientEvidence& e) {
  const auto bad = std::find_if(e.analytic.begin(), e.analytic.end(),
                                [](double x) { return !std::isfinite(x); });
  if (bad == e.analytic.end()) return "";
  return fmt::format("the gradient is {} at element {}", *bad, bad - e.analytic.begin());
}

std::string zero(const GradientEvidence& e) {
  if (norm(e.analytic) > 0) return "";
  return "the gradient is zero, but the cost depends on it: this input is ignored by a vjp";
}

std::string one_ratio(const GradientEvidence& e) {
  double k = 0;
  if (!proportional(e.analytic, e.numeric, k, norm(minus(e.analytic, e.numeric)))) return "";
  if (e.batch > 1 && near(k, 1.0 / static_cast<double>(e.batch))) {
    return fmt::format(
        "every entry is 1/{} of what it should be: divided by the batch size once too "
        "often",
        e.batch);
  }
  if (e.batch > 1 && near(k, static_cast<double>(e.batch))) {
    return fmt::format("every entry is {} times what it should be: not divided by the batch size",
                       e.batch);
  }
  if (near(k, -1)) return "every entry has the wrong sign (ratio -1)";
  const std::string reason = e.uses > 1 && near(k, 1.0 / e.uses)
                                 ? fmt::format(
                                       "; the parameter is used {} times: gradients of several "
                                       "uses must add up",
                                       e.uses)
                                 : "";
  return fmt::format("every entry is {} times what it should be (a constant ratio){}",
                     ratio_text(k), reason);
}

std::string penalty(const GradientEvidence& e) {
  const std::vector<double> difference = minus(e.analytic, e.numeric);
  double k = 0;
  if (!proportional(difference, e.value, k, norm(difference))) return "";
  return fmt::format(
      "the difference is {:.6g} times the parameter itself: the gradient of a penalty is "
      "{}",
      k, k < 0 ? "missing or too small" : "too large, or not part of the cost");
}

std::string transposed(const GradientEvidence& e) {
  if (e.shape.rank() != 2) return "";
  const auto rows = static_cast<std::size_t>(e.shape[0]);
  const auto cols = static_cast<std::size_t>(e.shape[1]);
  std::vector<double> swapped(e.numeric.size());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < cols; ++j) swapped[j * rows + i] = e.numeric[i * cols + j];
  }
  if (norm(minus(e.analytic, swapped)) > 1e-3 * norm(minus(e.analytic, e.numeric))) return "";
  return "the entries are those of the transposed gradient";
}

// The rows (or columns) whose analytic entries are all zero though the numeric ones are not, when
// the rest agrees.
std::string missing_lines(const GradientEvidence& e, bool rows) {
  if (e.shape.rank() != 2) return "";
  const Index count = e.shape[rows ? 0 : 1];
  const Index length = e.shape[rows ? 1 : 0];
  const auto at = [&](Numbers g, Index line, Index i) {
    const Index flat = rows ? line * e.shape[1] + i : i * e.shape[1] + line;
    return g[static_cast<std::size_t>(flat)];
  };
  double unexplained = 0;
  std::string missing;
  for (Index line = 0; line < count; ++line) {
    double analytic = 0, numeric = 0, difference = 0;
    for (Index i = 0; i < length; ++i) {
      const double a = at(e.analytic, line, i), n = at(e.numeric, line, i);
      analytic += a * a;
      numeric += n * n;
      difference += (a - n) * (a - n);
    }
    if (analytic == 0 && numeric > 0) {
      missing += fmt::format("{}{}", missing.empty() ? "" : ", ", line);
    } else {
      unexplained += difference;
    }
  }
  if (missing.empty() || std::sqrt(unexplained) > 1e-3 * norm(minus(e.analytic, e.numeric)))
    return "";
  return fmt::format("{} {} missing (zero), the rest is right", rows ? "row" : "column", missing);
}

std::string fan_out(const GradientEvidence& e) {
  if (e.uses < 2) return "";
  return fmt::format(
      "the parameter is used {} times and the sum of its uses' gradients is wrong: one vjp "
      "overwrites where it should add, or is itself wrong",
      e.uses);
}

}  // namespace

std::string diagnose(const GradientEvidence& e) {
  using Pattern = std::function<std::string(const GradientEvidence&)>;
  const Pattern patterns[] = {not_finite,
                              zero,
                              one_ratio,
                              penalty,
                              transposed,
                              [](const auto& x) { return missing_lines(x, true); },
                              [](const auto& x) { return missing_lines(x, false); },
                              fan_out};
  for (const Pattern& pattern : patterns) {
    const std::string found = pattern(e);
    if (!found.empty()) return fmt::format("{}: {}", e.name, found);
  }
  return "";
}

}  // namespace tapegrad
