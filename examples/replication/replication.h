// Running the experiments of the reports: on all cores, each training once.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "examples/replication/experiments.h"
#include "examples/replication/figures.h"

namespace tapegrad::examples {

/// An experiment, trained by the course's method and with the report's explanation.
struct Replicated {
  const Experiment* experiment;
  std::shared_ptr<const TrainingRun> correct;
  std::shared_ptr<const TrainingRun> explained;

  std::vector<Comparison> compare(const Bands& bands) const;
};

/// What all trainings took.
struct Effort {
  Index trainings = 0;
  Index steps = 0;                // made now, not before a resumption
  Index went_on = 0;              // trainings that were resumed
  double seconds = 0;             // from start to end
  double training_seconds = 0;    // of all threads together
  double evaluation_seconds = 0;  // thereof measuring accuracies

  /// Of a thread, without measuring; 0 when no step was made.
  double milliseconds_per_step() const {
    return steps > 0 ? 1e3 * (training_seconds - evaluation_seconds) / static_cast<double>(steps)
                     : 0;
  }
  double percent_measuring() const {
    return training_seconds > 0 ? 100 * evaluation_seconds / training_seconds : 0;
  }
};

struct Replication {
  std::vector<Replicated> experiments;
  Effort effort;
};

/// What to run. A short run shortens every training to a few steps on a few synthetic images: for
/// trying the program out, not for figures.
struct ReplicationOptions {
  std::vector<const Experiment*> experiments;
  std::uint64_t seed = 1;
  Index jobs = 1;
  bool quick = false;
  bool progress = true;  // on a terminal
  /// What the trainings on these images keep; nothing when left out.
  std::function<Keeping(const Dataset&)> keeping = {};
};

/// The experiments of the named report, of all reports for "all", of a section for
/// "000/one cycle". Throws UsageError, listing the names, for another.
std::vector<const Experiment*> experiments_of(std::string_view report);

/// Trains everything, `jobs` trainings at a time. Equal trainings, such as the first cycle of four
/// of the reports, are made once. The result does not depend on `jobs`.
Replication replicate(const ReplicationOptions& options, PlannedImages& images);

}  // namespace tapegrad::examples
