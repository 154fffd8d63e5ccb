#include "optim/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapegrad::optim {
namespace {

std::string in_epochs(Index steps, Index steps_per_epoch) {
  return fmt::format("{:.4g} epoch{}",
                     static_cast<double>(steps) / static_cast<double>(steps_per_epoch),
                     steps == steps_per_epoch ? "" : "s");
}

}  // namespace

std::vector<std::string> lint_cycles(const CyclePlan& plan) {
  std::vector<std::string> findings;
  if (plan.half_cycle < 1 || plan.steps_per_epoch < 1) return findings;
  const Index cycle = 2 * plan.half_cycle;
  const Index cycles = plan.steps / cycle;
  if (plan.steps % cycle != 0) {
    findings.push_back(fmt::format(
        "{} steps ({}) end {:.0f} % into cycle {}, where the learning rate is not at its lowest: "
        "{} steps end a cycle",
        plan.steps, in_epochs(plan.steps, plan.steps_per_epoch),
        100.0 * static_cast<double>(plan.steps % cycle) / static_cast<double>(cycle), cycles + 1,
        cycles == 0 ? fmt::format("{}", cycle)
                    : fmt::format("{} or {}", cycles * cycle, (cycles + 1) * cycle)));
  }
  if (plan.stated_cycles > 0 && plan.stated_cycles * cycle != plan.steps) {
    findings.push_back(fmt::format("{} at a half-cycle of {} steps are {:.4g} cycles, not {}",
                                   in_epochs(plan.steps, plan.steps_per_epoch), plan.half_cycle,
                                   static_cast<double>(plan.steps) / static_cast<double>(cycle),
                                   plan.stated_cycles));
  }
  if (plan.half_cycle < 2 * plan.steps_per_epoch || plan.half_cycle > 8 * plan.steps_per_epoch) {
    findings.push_back(
        fmt::format("a half-cycle of {} steps is {}: 2 to 8 are advised, {} to {} steps here",
                    plan.half_cycle, in_epochs(plan.half_cycle, plan.steps_per_epoch),
                    2 * plan.steps_per_epoch, 8 * plan.steps_per_epoch));
  }
  return findings;
}

std::vector<std::string> lint_search(const Axis& axis, const std::vector<SearchRow>& rows) {
  constexpr double decades = 3;
  constexpr Index least_settings = 4;
  if (rows.empty()) return {};
  std::vector<const SearchRow*> full;
  for (const SearchRow& row : rows) {
    if (row.budget == rows.front().budget && !row.values.empty()) full.push_back(&row);
  }
  if (std::ssize(full) < least_settings) return {};
  const auto by_value = [](auto a, auto b) { return a->values[0] < b->values[0]; };
  const auto [low, high] = std::minmax_element(full.begin(), full.end(), by_value);
  if (!((*high)->values[0] >= std::pow(10.0, decades) * (*low)->values[0])) return {};
  const auto by_mean = [](auto a, auto b) { return a->mean < b->mean; };
  const auto [worst, best] = std::minmax_element(full.begin(), full.end(), by_mean);
  double noise = 0;
  for (const SearchRow* row : full) noise = std::max(noise, row->standard_error);
  const double moved = (*best)->mean - (*worst)->mean;
  if (!(moved <= 5 * noise)) return {};
  return {fmt::format(
      "validation accuracy moves by {:.4f} only while {} goes from {:g} to {:g} (noise {:.4f}): "
      "perhaps the update ignores {}; optim::audit_update compares it with the cost",
      moved, axis.name, (*low)->values[0], (*high)->values[0], noise, axis.name)};
}

std::vector<std::string> lint_history(const std::vector<Measurement>& history) {
  if (history.empty()) return {};
  const auto rose = [&](auto cost) { return cost(history.back()) > cost(history.front()); };
  const auto finding = [&](const char* what, auto cost) -> std::vector<std::string> {
    return {fmt::format("the {} rose from {:.4g} to {:.4g}: try a lower learning rate", what,
                        cost(history.front()), cost(history.back()))};
  };
  const auto train = [](const Measurement& m) { return m.train_cost(); };
  const auto validation = [](const Measurement& m) { return m.validation_cost(); };
  if (rose(train)) return finding("training cost", train);
  if (std::isnan(train(history.front())) && rose(validation)) {
    return finding("validation cost", validation);
  }
  return {};
}

}  // namespace tapegrad::optim
