// One training run of the course's networks, described by plain values.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "data/loader.h"
#include "examples/support/dataset.h"
#include "nn/sequential.h"
#include "optim/history.h"

namespace tapegrad::examples {

/// Which images a run trains on and selects by; the test images are always the test batch.
enum class Split {
  small,   // the first training batch, validated on the second: 10,000 and 10,000
  search,  // all five but the last 5,000 images
  all      // all five but the last 1,000 images
};

/// What an update contains of the penalty lambda * sum W^2. Only `full` is its gradient; the others
/// are mistakes that a gradient check of the loss cannot see.
enum class PenaltyGradient {
  full,       // 2 lambda W
  half,       // lambda W
  per_batch,  // 2 lambda W / batch size
  none        // nothing: the penalty is in the cost alone
};

/// Everything a training run depends on. Two equal plans give the same numbers.
struct TrainingPlan {
  Split split = Split::small;
  Index images = 0;  // train on the first so many; 0: all
  data::Scope scope = data::Scope::per_pixel;
  Index hidden = 50;                  // nodes; 0: one layer
  double init_std = 0;                // of the first layer; 0: 1 / sqrt(inputs)
  std::string_view loss = "softmax";  // or "sigmoid", "hinge"
  double lambda = 0;                  // cost = loss + lambda * sum of squares of the matrices
  PenaltyGradient penalty_gradient = PenaltyGradient::full;
  double lr_min = 1e-5;  // equal to lr_max: a constant rate
  double lr_max = 1e-1;
  Index half_cycle = 500;
  Index steps = 1000;
  Index batch_size = 100;
  data::Order order = data::Order::shuffled;
  Index measurements = 1;      // evenly spread, beside the one before the first step
  bool measure_train = false;  // with every measurement
  bool train_at_end = false;   // once, after the last step
  bool test_at_end = true;     // searches do not look
  std::uint64_t seed = 1;

  auto operator<=>(const TrainingPlan&) const = default;
};

/// What came of a plan. The history's last entry is the end of the training.
struct TrainingRun {
  TrainingPlan plan;
  std::vector<optim::Measurement> history;
  optim::Scores train;  // at the end; NaN when not measured
  optim::Scores test;   // likewise
  std::shared_ptr<nn::Sequential<float>> network;
  double seconds = 0;             // of this thread, all in all; its share, if trained together
  double evaluation_seconds = 0;  // thereof measuring
  Index steps_before = 0;         // made before it was resumed, not in these seconds
};

/// The data sets of several plans, each read once. Prepare them before runs start in parallel.
class PlannedImages {
 public:
  /// With `few`, a few synthetic images stand for every set: for trying programs out.
  explicit PlannedImages(DatasetOptions options, bool few = false)
      : options_(std::move(options)), few_(few) {}

  /// Reads what the plan trains on. Throws as load_dataset does.
  void prepare(const TrainingPlan& plan);

  /// What was prepared for such a plan.
  const Dataset& of(const TrainingPlan& plan) const;

 private:
  using Key = std::tuple<Split, Index, data::Scope>;
  static Key key(const TrainingPlan& plan) { return {plan.split, plan.images, plan.scope}; }

  DatasetOptions options_;
  bool few_;
  std::map<Key, Dataset> sets_;
};

/// The plan in words, other ones for every other plan.
std::string describe(const TrainingPlan& plan);

/// Where trainings keep checkpoints: each in a folder of its own, named after its plan and images.
struct Keeping {
  std::filesystem::path folder = {};  // empty: nowhere
  Index every = 0;                    // steps; 0: only at the end or when interrupted
  bool resume = false;                // go on from what is there
  std::string images = {};            // what tells them from others, such as digest()

  /// The folder of one training.
  std::filesystem::path of(const TrainingPlan& plan) const;
};

/// Trains in float. `on_step` is called after each step that is made. The result is a pure function
/// of plan and images, also when it is resumed. Throws GradError when the loss stops being finite,
/// Interrupted once a signal came, and as Trainer::checkpoint does.
TrainingRun train(const TrainingPlan& plan, const Dataset& images,
                  const std::function<void()>& on_step = {}, const Keeping& keeping = {});

/// The same runs, bit for bit, step by step in turn, with each batch gathered once. Nothing comes
/// of a plan whose loss stops being finite; the others go on. Throws OptionError unless all plans
/// have the same steps, batch size, order and seed; else as train() does.
std::vector<std::optional<TrainingRun>> train_together(std::span<const TrainingPlan> plans,
                                                       const Dataset& images,
                                                       const std::function<void()>& on_step = {},
                                                       const Keeping& keeping = {});

}  // namespace tapegrad::examples
