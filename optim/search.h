// Searching for hyperparameters.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "optim/journal.h"
#include "tensor/scalar.h"

namespace tapegrad::optim {

/// A hyperparameter and the range to look in, on a logarithmic scale or a linear one.
struct Axis {
  std::string name;
  double low;
  double high;
  bool log = true;
};

/// A value for each axis.
using Setting = std::vector<double>;

/// All combinations of `points` evenly spaced values per axis, both ends included (for one point:
/// the middle). The last axis changes fastest. Throws OptionError for no axis, points < 1 or a
/// range that is empty, not finite or, on a logarithmic scale, not above 0.
std::vector<Setting> grid(std::span<const Axis> axes, Index points);

/// n settings drawn uniformly on each axis's scale. Setting i is a pure function of (seed, i).
/// Throws OptionError as grid does, and for n < 0.
std::vector<Setting> sample(std::span<const Axis> axes, Index n, std::uint64_t seed);

/// From coarse to fine: the axes cut to `width` (0 to 1) of their extent around a setting, inside
/// the old ranges; what is outside counts as their end. Throws OptionError for another count of
/// values, for NaN, and for a width out of range.
std::vector<Axis> around(std::span<const Axis> axes, const Setting& center, double width);

/// One training to make. Everything it draws must come from `seed`, which is the same for all
/// settings of a repetition, so that settings are compared on equal terms.
struct Trial {
  Index setting = 0;  // its place in the list
  Setting values = {};
  Index repetition = 0;
  std::uint64_t seed = 0;
  Index budget = 1;  // how long to train, in the caller's unit (cycles, epochs)
};

/// Trains and returns the validation accuracy, in [0, 1]; NaN for a training that failed, which
/// ranks last. Called from several threads at once.
using Objective = std::function<double(const Trial&)>;

/// Trains several trials of one repetition and returns their scores in this order. They have the
/// same seed and budget, so what one of them reads at a step the others may read too: a batch is
/// gathered once.
using GroupObjective = std::function<std::vector<double>(std::span<const Trial>)>;

struct SearchOptions {
  Index repetitions = 1;  // seeds per setting: seed, seed + 1, ...
  std::uint64_t seed = 1;
  Index budget = 1;  // of a whole training
  /// Successive halving (Jamieson & Talwalkar 2016) when > 1: trains all settings on a small
  /// budget, keeps the best 1 / halving of them, multiplies the budget by it, and so on up to
  /// `budget`.
  Index halving = 1;
  Index workers = 1;            // trials, or groups, at a time; the table does not depend on it
  Index validation_images = 0;  // for the standard error when there is one repetition
  Journal* journal = nullptr;   // takes finished trials and gives them back; may be null
  std::function<void(Index done, Index total)> on_trial = {};  // after each; one call at a time
};

/// What came of one setting.
struct SearchRow {
  Index setting = 0;
  Setting values = {};
  Index budget = 0;                 // of the last round it took part in
  std::vector<double> scores = {};  // of that round, by repetition
  double mean = 0;
  double standard_error = 0;  // over repetitions; for one, (p (1 - p) / validation images)^(1/2)
  bool tied = false;          // not worse than the best by two standard errors of the difference
};

/// Tries every setting and returns the rows, best first: by budget, then by mean, then in the
/// order given. The table is a pure function of settings, objective, repetitions, seed, budget and
/// halving. Throws OptionError for options and scores out of range, and what the objective throws.
std::vector<SearchRow> search(const std::vector<Setting>& settings, const Objective& objective,
                              const SearchOptions& options);

/// The same table from an objective that takes up to `together` trials at a time, fewer where
/// workers would have nothing to do otherwise. A search that is killed loses all trials of the
/// groups under way. Throws OptionError also for together < 1 and for scores that are not as many
/// as the trials.
std::vector<SearchRow> search(const std::vector<Setting>& settings, const GroupObjective& objective,
                              Index together, const SearchOptions& options);

/// "lambda,budget,mean,standard_error,tied,score_0,score_1,...": one line a row; numbers read back
/// exactly.
std::string to_csv(std::span<const Axis> axes, const std::vector<SearchRow>& rows);

/// The table for people. Settings tied with the best are marked.
std::string to_string(std::span<const Axis> axes, const std::vector<SearchRow>& rows);

}  // namespace tapegrad::optim
