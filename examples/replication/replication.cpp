#include "examples/replication/replication.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "examples/support/command_line.h"
#include "optim/progress.h"
#include "tensor/parallel.h"

namespace tapegrad::examples {
namespace {

using Runs = std::map<TrainingPlan, std::shared_ptr<TrainingRun>>;

TrainingPlan plan_of(const Experiment& experiment, Method method,
                     const ReplicationOptions& options) {
  TrainingPlan plan = method == Method::correct ? correct_plan(experiment, options.seed)
                                                : explained_plan(experiment, options.seed);
  if (!options.quick) return plan;
  plan.split = Split::small;
  plan.half_cycle = 1;
  plan.steps = 2;
  plan.images = 0;
  plan.measurements = std::min<Index>(plan.measurements, 3);
  return plan;
}

// Longest first, so that no thread is left with a long training at the end.
std::vector<std::pair<TrainingPlan, TrainingRun*>> longest_first(const Runs& runs) {
  std::vector<std::pair<TrainingPlan, TrainingRun*>> order;
  for (const auto& [plan, run] : runs) order.emplace_back(plan, run.get());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first.steps > b.first.steps; });
  return order;
}

}  // namespace

std::vector<Comparison> Replicated::compare(const Bands& bands) const {
  std::vector<Comparison> all;
  for (const Figure& figure : figures_of(*experiment)) {
    all.push_back({figure, value_of(figure.quantity, *correct),
                   value_of(figure.quantity, *explained), bands.find(figure, Method::correct),
                   bands.find(figure, Method::explained)});
  }
  return all;
}

std::vector<const Experiment*> experiments_of(std::string_view report) {
  std::vector<const Experiment*> found;
  for (const Experiment& e : all_experiments()) {
    const std::string name = fmt::format("{}/{}", e.report, e.section);
    if (report == "all" || e.report == report || name == report) found.push_back(&e);
  }
  if (found.empty()) {
    throw UsageError(
        fmt::format("there is no report '{}': there are 000, 001, 002, 003, 004 and all, and their "
                    "sections, such as '000/one cycle'",
                    report));
  }
  return found;
}

Replication replicate(const ReplicationOptions& options, PlannedImages& images) {
  const auto start = std::chrono::steady_clock::now();
  Runs runs;
  std::map<const Dataset*, Keeping> keeping;
  Index steps = 0;
  Replication result;
  for (const Experiment* e : options.experiments) {
    Replicated replicated{e, nullptr, nullptr};
    for (const Method method : {Method::correct, Method::explained}) {
      const TrainingPlan plan = plan_of(*e, method, options);
      auto& run = runs[plan];
      if (!run) {
        images.prepare(plan);
        run = std::make_shared<TrainingRun>();
        if (options.keeping && !keeping.contains(&images.of(plan))) {
          keeping[&images.of(plan)] = options.keeping(images.of(plan));
        }
        steps += plan.steps;
      }
      (method == Method::correct ? replicated.correct : replicated.explained) = run;
    }
    result.experiments.push_back(replicated);
  }

  const auto order = longest_first(runs);
  optim::SharedProgress progress(steps, options.progress);
  parallel_for(std::ssize(order), options.jobs, [&](Index i) {
    const auto& job = order[static_cast<std::size_t>(i)];
    const Dataset& set = images.of(job.first);
    *job.second = train(
        job.first, set, [&] { progress.step(); }, options.keeping ? keeping.at(&set) : Keeping());
  });

  result.effort.trainings = std::ssize(order);
  for (const auto& job : order) {
    result.effort.steps += job.second->plan.steps - job.second->steps_before;
    if (job.second->steps_before > 0) ++result.effort.went_on;
    result.effort.training_seconds += job.second->seconds;
    result.effort.evaluation_seconds += job.second->evaluation_seconds;
  }
  result.effort.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace tapegrad::examples
