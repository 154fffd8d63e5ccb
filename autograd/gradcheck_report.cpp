#include "autograd/gradcheck_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace tapegrad {
namespace {

constexpr int shown_failures = 5;

double relative_error(const GradcheckEntry& e, double eps) {
  return std::abs(e.analytic - e.numeric) /
         std::max(eps, std::abs(e.analytic) + std::abs(e.numeric));
}

std::string metrics_table(const GradcheckReport& report) {
  std::size_t width = 9;
  for (const auto& p : report.parameters) width = std::max(width, p.name.size());
  std::string text =
      fmt::format("{:<{}} {:>8} {:>6} {:>7} {:>10} {:>10} {:>7} {:>10} {:>10} {:>10} {:>10}\n",
                  "parameter", width, "compared", "kinks", "unclear", "max|a-n|", "mean|a-n|",
                  "<1e-6", "max rel", "mean rel", "sum/sum", "norm");
  for (const auto& p : report.parameters) {
    const GradientMetrics& m = p.metrics;
    text += fmt::format(
        "{:<{}} {:>8} {:>6} {:>7} {:>10.3e} {:>10.3e} {:>6.1f}% {:>10.3e} {:>10.3e} {:>10.3e} "
        "{:>10.3e}  {}\n",
        p.name, width, p.compared, p.kinks, p.inconclusive, m.max_absolute, m.mean_absolute,
        100 * m.share_small, m.max_relative, m.mean_relative, m.sum_relative, m.norm_relative,
        p.passed() ? "pass" : "FAIL");
  }
  return text;
}

// The entries of a parameter that failed, the farthest off first.
std::string failures(const ParameterCheck& check) {
  std::vector<GradcheckEntry> failed;
  for (const auto& e : check.entries) {
    if (e.verdict == Verdict::fail) failed.push_back(e);
  }
  const auto error = [](const GradcheckEntry& e) {
    const double x = std::abs(e.analytic - e.numeric);
    return std::isnan(x) ? HUGE_VAL : x;
  };
  std::stable_sort(failed.begin(), failed.end(),
                   [&](const auto& a, const auto& b) { return error(a) > error(b); });
  std::string text;
  for (int i = 0; i < shown_failures && i < static_cast<int>(failed.size()); ++i) {
    const GradcheckEntry& e = failed[static_cast<std::size_t>(i)];
    text += fmt::format("  {}: analytic {:.10g}, numeric {:.10g} +/- {:.1e}, relative {:.2e}\n",
                        check.entry_name(e), e.analytic, e.numeric, e.uncertainty,
                        relative_error(e, 1e-12));
  }
  return fmt::format("{} of {} entries of {} are wrong:\n{}", check.failed, check.compared,
                     check.name, text);
}

std::string problems(const ParameterCheck& check) {
  if (check.failed > 0) return failures(check);
  if (check.passed()) return "";
  if (check.compared == 0) {
    return fmt::format("{}: nothing was compared: {} kinks, {} inconclusive\n", check.name,
                       check.kinks, check.inconclusive);
  }
  return fmt::format("{}: {} of {} entries are inconclusive: the cost is too rough or too noisy\n",
                     check.name, check.inconclusive, check.entries.size());
}

std::string json_number(double x) {
  return std::isfinite(x) ? fmt::format("{}", x) : fmt::format("\"{}\"", x);
}

std::string json_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      quoted += c;
    }
  }
  quoted += '"';
  return quoted;
}

template <class Items, class F>
std::string json_list(const Items& items, F one) {
  std::string text;
  for (const auto& item : items) text += fmt::format("{}{}", text.empty() ? "" : ",", one(item));
  return fmt::format("[{}]", text);
}

std::string json_entry(const ParameterCheck& check, const GradcheckEntry& e) {
  constexpr std::array names{"pass", "fail", "kink", "inconclusive"};
  return fmt::format(R"({{"name":{},"analytic":{},"numeric":{},"uncertainty":{},"verdict":"{}"}})",
                     json_text(check.entry_name(e)), json_number(e.analytic),
                     json_number(e.numeric), json_number(e.uncertainty),
                     names[static_cast<std::size_t>(e.verdict)]);
}

std::string json_parameter(const ParameterCheck& p) {
  const GradientMetrics& m = p.metrics;
  return fmt::format(
      R"({{"name":{},"shape":{},"passed":{},"compared":{},"failed":{},"kinks":{},"inconclusive":{},)"
      R"("max_absolute":{},"mean_absolute":{},"share_small":{},"max_relative":{},"mean_relative":{},)"
      R"("sum_relative":{},"norm_relative":{},"entries":{}}})",
      json_text(p.name), to_string(p.shape), p.passed(), p.compared, p.failed, p.kinks,
      p.inconclusive, json_number(m.max_absolute), json_number(m.mean_absolute),
      json_number(m.share_small), json_number(m.max_relative), json_number(m.mean_relative),
      json_number(m.sum_relative), json_number(m.norm_relative),
      json_list(p.entries, [&](const GradcheckEntry& e) { return json_entry(p, e); }));
}

}  // namespace

std::string to_string(const GradcheckReport& report) {
  std::string text = metrics_table(report);
  for (const auto& p : report.parameters) text += problems(p);
  if (!report.restored)
    text += "the cost changed the parameters: it must be a pure function of them\n";
  for (const std::string& line : report.vjp_faults) {
    text += fmt::format("{}: ask Target::fresh whether to write or to add\n", line);
  }
  for (const std::string& line : report.diagnosis) text += fmt::format("diagnosis: {}\n", line);
  if (!report.passed()) text += fmt::format("relative errors:\n{}", error_histogram(report));
  return text;
}

std::string error_histogram(const GradcheckReport& report, double eps) {
  constexpr int lowest = -17, highest = 0;
  constexpr std::size_t powers = highest - lowest + 1;
  std::array<Index, powers> counts{};
  for (const auto& p : report.parameters) {
    for (const auto& e : p.entries) {
      if (e.verdict != Verdict::pass && e.verdict != Verdict::fail) continue;
      const double error = relative_error(e, eps);
      const int power = std::isnan(error) ? highest
                        : error > 0       ? static_cast<int>(std::floor(std::log10(error)))
                                          : lowest;
      ++counts[static_cast<std::size_t>(std::clamp(power, lowest, highest) - lowest)];
    }
  }
  const Index largest = std::max<Index>(1, *std::max_element(counts.begin(), counts.end()));
  std::string text;
  for (int power = lowest; power <= highest; ++power) {
    const Index n = counts[static_cast<std::size_t>(power - lowest)];
    if (n == 0) continue;
    const auto bar = static_cast<std::size_t>((50 * n + largest - 1) / largest);
    text += fmt::format("1e{:<4}{:>8}  {}\n", power, n, std::string(bar, '#'));
  }
  return text;
}

std::string to_json(const GradcheckReport& report) {
  return fmt::format(
      R"({{"passed":{},"oracle":{},"restored":{},"vjp_faults":{},"diagnosis":{},"parameters":{}}})",
      report.passed(), json_text(report.oracle), report.restored,
      json_list(report.vjp_faults, json_text), json_list(report.diagnosis, json_text),
      json_list(report.parameters, json_parameter));
}

}  // namespace tapegrad
