#include "optim/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "tensor/error.h"
#include "tensor/options.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace tapegrad::optim {
namespace {

// The scale on which an axis is uniform.
double to_scale(const Axis& axis, double x) { return axis.log ? std::log10(x) : x; }
double from_scale(const Axis& axis, double s) { return axis.log ? std::pow(10.0, s) : s; }

// The value `fraction` of the way from low to high; the ends are exact.
double place(const Axis& axis, double fraction) {
  if (fraction <= 0) return axis.low;
  if (fraction >= 1) return axis.high;
  const double low = to_scale(axis, axis.low);
  return from_scale(axis, low + fraction * (to_scale(axis, axis.high) - low));
}

void require_valid(std::span<const Axis> axes) {
  if (axes.empty()) throw OptionError("search: there is no axis to search along");
  for (const Axis& axis : axes) {
    const bool ordered =
        std::isfinite(axis.low) && std::isfinite(axis.high) && axis.low <= axis.high;
    if (!ordered || (axis.log && !(axis.low > 0))) {
      throw OptionError(fmt::format(
          "search: {} from {} to {} is no range{}", axis.name, axis.low, axis.high,
          axis.log ? ": a logarithmic one needs 0 < low <= high" : ": low <= high is needed"));
    }
  }
}

void require_valid(const SearchOptions& o) {
  require_at_least(1, "search: repetitions", o.repetitions);
  require_at_least(1, "search: budget", o.budget);
  require_at_least(1, "search: halving", o.halving);
  require_at_least(1, "search: workers", o.workers);
}

// The budgets of successive halving, smallest first; the last is the whole.
std::vector<Index> budgets(const SearchOptions& options) {
  std::vector<Index> all{options.budget};
  while (options.halving > 1 && all.front() >= options.halving) {
    all.insert(all.begin(), all.front() / options.halving);
  }
  return all;
}

std::string key(const Trial& trial) {
  return fmt::format("budget{}/setting{}/seed{}", trial.budget, trial.setting, trial.seed);
}

bool is_score(double number) { return std::isnan(number) || (number >= 0 && number <= 1); }

// A journal's checksum says that it is what a program wrote, not that this one did.
double known_score(const std::string& name, const std::vector<double>& numbers) {
  if (numbers.size() != 1 || !is_score(numbers[0])) {
    throw FormatError(fmt::format(
        "the journal's record {} is no score between 0 and 1; remove the journal to start anew",
        name));
  }
  return numbers[0];
}

void summarise(SearchRow& row, Index validation_images) {
  const auto n = static_cast<double>(row.scores.size());
  row.mean = std::accumulate(row.scores.begin(), row.scores.end(), 0.0) / n;
  if (n > 1) {
    double squares = 0;
    for (const double s : row.scores) squares += (s - row.mean) * (s - row.mean);
    row.standard_error = std::sqrt(squares / (n - 1) / n);
  } else if (validation_images > 0) {
    row.standard_error =
        std::sqrt(row.mean * (1 - row.mean) / static_cast<double>(validation_images));
  }
}

// NaN, the score of a training that failed, comes last.
double rank(double mean) { return std::isnan(mean) ? -1 : mean; }

bool better(const SearchRow& a, const SearchRow& b) {
  if (a.budget != b.budget) return a.budget > b.budget;
  if (rank(a.mean) != rank(b.mean)) return rank(a.mean) > rank(b.mean);
  return a.setting < b.setting;
}

void mark_ties(std::vector<SearchRow>& rows) {
  if (rows.empty()) return;
  const SearchRow& best = rows.front();
  for (SearchRow& row : rows) {
    const double error = std::hypot(best.standard_error, row.standard_error);
    row.tied = row.budget == best.budget && best.mean - row.mean <= 2 * error;
  }
}

// How many trials there will be, in all rounds.
Index count_trials(Index settings, const SearchOptions& options) {
  Index total = 0;
  for (std::size_t round = 0; round < budgets(options).size(); ++round) {
    total += settings * options.repetitions;
    settings = (settings + options.halving - 1) / options.halving;
  }
  return total;
}

// Into how many groups of about the same size n trials of each repetition are divided: no more than
// it takes, but so many that the workers end together.
Index count_groups(Index n, Index together, const SearchOptions& options) {
  for (Index groups = 1 + (n - 1) / together; groups < n; ++groups) {
    if (groups * options.repetitions % options.workers == 0) return groups;
  }
  return n;
}

// A trial to be made and where its score goes.
struct Pending {
  Trial trial;
  double* score;
};

// The trials of each repetition in groups, the first ones of all repetitions first.
std::vector<std::vector<Pending>> divide(const std::vector<std::vector<Pending>>& repetitions,
                                         Index together, const SearchOptions& options) {
  Index most = 0;
  for (const auto& trials : repetitions) most = std::max(most, std::ssize(trials));
  const Index count = count_groups(most, together, options);
  std::vector<std::vector<Pending>> groups;
  for (Index i = 0; i < count; ++i) {
    for (const auto& trials : repetitions) {
      const Index n = std::ssize(trials);
      std::vector<Pending> group(trials.begin() + i * n / count,
                                 trials.begin() + (i + 1) * n / count);
      if (!group.empty()) groups.push_back(std::move(group));
    }
  }
  return groups;
}

// Makes the trials, or takes their scores from the journal, and counts them.
class Trials {
 public:
  Trials(const GroupObjective& objective, const SearchOptions& options, Index total)
      : objective_(objective), options_(options), total_(total) {}

  // All repetitions of these rows on a budget.
  void run(std::span<SearchRow> rows, Index budget, Index together) {
    std::vector<std::vector<Pending>> unknown(static_cast<std::size_t>(options_.repetitions));
    for (SearchRow& row : rows) {
      row.budget = budget;
      row.scores.assign(unknown.size(), 0);
      for (std::size_t r = 0; r < unknown.size(); ++r) {
        const Pending pending{
            {row.setting, row.values, static_cast<Index>(r), options_.seed + r, budget},
            &row.scores[r]};
        if (!take_known(pending)) unknown[r].push_back(pending);
      }
    }
    const auto groups = divide(unknown, together, options_);
    parallel_for(std::ssize(groups), options_.workers,
                 [&](Index i) { train(groups[static_cast<std::size_t>(i)]); });
  }

 private:
  bool take_known(const Pending& pending) {
    const std::string name = key(pending.trial);
    const auto* numbers = options_.journal == nullptr ? nullptr : options_.journal->find(name);
    if (numbers != nullptr) note(pending, known_score(name, *numbers));
    return numbers != nullptr;
  }

  void train(const std::vector<Pending>& group) {
    std::vector<Trial> trials;
    for (const Pending& pending : group) trials.push_back(pending.trial);
    const std::vector<double> scores = objective_(trials);
    if (scores.size() != trials.size()) {
      throw OptionError(fmt::format("search: the objective returned {} scores for {} trials",
                                    scores.size(), trials.size()));
    }
    for (std::size_t i = 0; i < trials.size(); ++i) {
      if (!is_score(scores[i])) {
        throw OptionError(fmt::format(
            "search: the objective returned {}, which is no accuracy between 0 and 1", scores[i]));
      }
      if (options_.journal != nullptr) options_.journal->record(key(trials[i]), {scores[i]});
      note(group[i], scores[i]);
    }
  }

  void note(const Pending& pending, double score) {
    *pending.score = score;
    const std::scoped_lock lock(mutex_);
    ++done_;
    if (options_.on_trial) options_.on_trial(done_, total_);
  }

  const GroupObjective& objective_;
  const SearchOptions& options_;
  Index total_;
  Index done_ = 0;
  std::mutex mutex_;
};

}  // namespace

std::vector<Setting> grid(std::span<const Axis> axes, Index points) {
  require_valid(axes);
  if (points < 1) throw OptionError(fmt::format("search: a grid of {} points", points));
  std::vector<Setting> settings{{}};
  for (const Axis& axis : axes) {
    std::vector<Setting> longer;
    for (const Setting& setting : settings) {
      for (Index i = 0; i < points; ++i) {
        longer.push_back(setting);
        longer.back().push_back(place(
            axis, points == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(points - 1)));
      }
    }
    settings = std::move(longer);
  }
  return settings;
}

std::vector<Setting> sample(std::span<const Axis> axes, Index n, std::uint64_t seed) {
  require_valid(axes);
  if (n < 0) throw OptionError(fmt::format("search: {} random settings", n));
  std::vector<Setting> settings;
  for (Index i = 0; i < n; ++i) {
    Rng rng(seed, static_cast<std::uint64_t>(i));
    Setting setting;
    for (const Axis& axis : axes) setting.push_back(place(axis, rng.uniform()));
    settings.push_back(setting);
  }
  return settings;
}

std::vector<Axis> around(std::span<const Axis> axes, const Setting& center, double width) {
  require_valid(axes);
  if (center.size() != axes.size() || !(width > 0 && width <= 1)) {
    throw OptionError(fmt::format("search: a setting of {} values for {} axes and a width of {}",
                                  center.size(), axes.size(), width));
  }
  std::vector<Axis> narrower(axes.begin(), axes.end());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Axis& axis = axes[i];
    const double half = width * (to_scale(axis, axis.high) - to_scale(axis, axis.low)) / 2;
    if (std::isnan(center[i])) throw OptionError("search: a range around nan");
    const double middle = to_scale(axis, std::clamp(center[i], axis.low, axis.high));
    narrower[i].low = std::max(axis.low, from_scale(axis, middle - half));
    narrower[i].high = std::min(axis.high, from_scale(axis, middle + half));
  }
  return narrower;
}

std::vector<SearchRow> search(const std::vector<Setting>& settings, const GroupObjective& objective,
                              Index together, const SearchOptions& options) {
  require_valid(options);
  require_at_least(1, "search: together", together);
  std::vector<SearchRow> rows;
  for (const Setting& setting : settings) rows.push_back({std::ssize(rows), setting, 0, {}});
  Trials trials(objective, options, count_trials(std::ssize(settings), options));

  std::size_t taking_part = rows.size();
  const auto halving = static_cast<std::size_t>(options.halving);
  for (const Index budget : budgets(options)) {
    const auto round = std::span(rows).first(taking_part);
    trials.run(round, budget, together);
    for (SearchRow& row : round) summarise(row, options.validation_images);
    std::sort(rows.begin(), rows.end(), better);
    taking_part = (taking_part + halving - 1) / halving;
  }
  mark_ties(rows);
  return rows;
}

std::vector<SearchRow> search(const std::vector<Setting>& settings, const Objective& objective,
                              const SearchOptions& options) {
  const auto one = [&](std::span<const Trial> trials) -> std::vector<double> {
    return {objective(trials.front())};
  };
  return search(settings, GroupObjective(one), 1, options);
}

std::string to_csv(std::span<const Axis> axes, const std::vector<SearchRow>& rows) {
  std::string text;
  for (const Axis& axis : axes) text += axis.name + ",";
  text += "budget,mean,standard_error,tied";
  const std::size_t scores = rows.empty() ? 0 : rows.front().scores.size();
  for (std::size_t i = 0; i < scores; ++i) text += fmt::format(",score_{}", i);
  text += "\n";
  for (const SearchRow& row : rows) {
    for (const double value : row.values) text += fmt::format("{},", value);
    text += fmt::format("{},{},{},{}", row.budget, row.mean, row.standard_error, row.tied ? 1 : 0);
    for (const double score : row.scores) text += fmt::format(",{}", score);
    text += "\n";
  }
  return text;
}

std::string to_string(std::span<const Axis> axes, const std::vector<SearchRow>& rows) {
  std::string text;
  for (const Axis& axis : axes) text += fmt::format("{:>12}", axis.name);
  text += fmt::format("{:>8}{:>22}\n", "budget", "validation accuracy");
  for (const SearchRow& row : rows) {
    for (const double value : row.values) text += fmt::format("{:>12.4g}", value);
    text += fmt::format("{:>8}{:>12.4f} +/- {:.4f}{}\n", row.budget, row.mean, row.standard_error,
                        &row == &rows.front() ? "  best"
                        : row.tied            ? "  tied"
                                              : "");
  }
  return text;
}

}  // namespace tapegrad::optim
