// Every training that the five published reports describe, as data.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "examples/support/training_run.h"

namespace tapegrad::examples {

/// What a report trains in one of its sections, apart from lambda.
struct Training {
  Split split = Split::small;
  Index half_cycle = 500;
  Index cycles = 1;
  Index per_cycle = 10;  // measurements
  Index hidden = 50;
  double lr_min = 1e-5;
  double lr_max = 1e-1;
  Index batch_size = 100;
  Index images = 0;  // the first so many; 0: all
  std::string_view loss = "softmax";
  Index stated_cycles = 0;  // what the report says, when that is something else
};

/// A report's figures of one training, as printed; empty where it prints none. They are compared
/// with the end of our training, the best validation with the best of its measurements.
struct Published {
  std::string_view train = {};
  std::string_view validation = {};
  std::string_view best_validation = {};
  std::string_view test = {};
  bool cost_rises = false;  // the training cost rises from cycle to cycle
};

/// One training of one report. `key` marks the figures that its explanation has to meet.
struct Experiment {
  std::string_view report;
  std::string_view section;
  double lambda;
  Training training;
  Published published = {};
  bool key = false;
};

std::span<const Experiment> all_experiments();

/// What would make a report's figures come out: how its training may differ from the course's
/// method. An inference from figures, not a reading of anyone's code.
struct Explanation {
  std::string_view report;
  std::string_view what;
  PenaltyGradient penalty_gradient = PenaltyGradient::full;
  data::Order order = data::Order::shuffled;
  double init_std = 0;  // of the first layer; 0: as the course says
  data::Scope scope = data::Scope::per_pixel;
};

std::span<const Explanation> all_explanations();

/// A report by its number.
struct Report {
  std::string_view number;
  std::string_view title;
  std::string_view remarks;  // what it states that does not fit together
};

std::span<const Report> all_reports();

/// The explanation of one report.
const Explanation& explanation_of(std::string_view report);

/// The training as the course describes it.
TrainingPlan correct_plan(const Experiment& experiment, std::uint64_t seed);

/// The same training with the report's explanation applied.
TrainingPlan explained_plan(const Experiment& experiment, std::uint64_t seed);

}  // namespace tapegrad::examples
