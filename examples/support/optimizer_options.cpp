#include "examples/support/optimizer_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"

namespace tapegrad::examples {
namespace {

using Names = std::vector<std::string>;

const Names optimizers{"sgd", "momentum", "nesterov", "adam", "adamw", "adagrad", "rmsprop"};
const Names with_momentum{"momentum", "nesterov", "rmsprop"};
const Names schedules{"cyclic", "cosine", "step", "constant"};

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// That `option`, when it was given, is of use to the one chosen of `choice`.
void require_use(const char* option, bool given, const char* choice, const std::string& chosen,
                 const Names& users) {
  if (!given || contains(users, chosen)) return;
  throw UsageError(fmt::format("{} has no meaning with {} {}, only with {}", option, choice, chosen,
                               fmt::join(users, ", ")));
}

void require_known(const char* choice, const std::string& chosen, const Names& known) {
  if (contains(known, chosen)) return;
  throw UsageError(fmt::format("{}: {} not in {}", choice, chosen, fmt::join(known, ", ")));
}

}  // namespace

void OptimizerOptions::add_options(CommandLine& command_line) {
  command_line
      .choice("--optimizer", optimizer, optimizers,
              "How gradients move the weights. The last four adapt to the gradients' size and want "
              "lower rates: .001 for adam. adamw decays the weights beside the gradient, so that "
              "the printed cost is not quite what it minimises")
      .number("--momentum", momentum, 0, 0.9999,
              "Of momentum, nesterov and rmsprop: the share of the velocity that a step keeps; "
              "0.9 when not given")
      .number("--clip-norm", clip_norm, 0, 1e9,
              "Scale all gradients so that their common norm is at most this; 0: never");
}

void OptimizerOptions::check() const {
  require_known("--optimizer", optimizer, optimizers);
  require_use("--momentum", momentum.has_value(), "--optimizer", optimizer, with_momentum);
  if (optimizer == "nesterov" && momentum == 0.0) {
    throw UsageError("--optimizer nesterov needs a --momentum above 0");
  }
}

template <Real T>
std::unique_ptr<optim::Optimizer<T>> OptimizerOptions::make(optim::ParamGroups<T> groups,
                                                            optim::Schedule schedule) const {
  check();
  const optim::Clip clip{.norm = clip_norm};
  const double velocity = momentum.value_or(0.9);
  if (optimizer == "adam" || optimizer == "adamw") {
    return std::make_unique<optim::Adam<T>>(
        std::move(groups), std::move(schedule),
        optim::AdamOptions{.decoupled = optimizer == "adamw", .clip = clip});
  }
  if (optimizer == "adagrad") {
    return std::make_unique<optim::AdaGrad<T>>(std::move(groups), std::move(schedule),
                                               optim::AdaGradOptions{.clip = clip});
  }
  if (optimizer == "rmsprop") {
    return std::make_unique<optim::RmsProp<T>>(
        std::move(groups), std::move(schedule),
        optim::RmsPropOptions{.momentum = velocity, .clip = clip});
  }
  return std::make_unique<optim::Sgd<T>>(
      std::move(groups), std::move(schedule),
      optim::SgdOptions{.momentum = optimizer == "sgd" ? 0 : velocity,
                        .nesterov = optimizer == "nesterov",
                        .clip = clip});
}

void ScheduleOptions::add_options(CommandLine& command_line) {
  command_line
      .choice("--schedule", kind, schedules,
              "The learning rate's course: a triangle per cycle, half a cosine per cycle from "
              "--lr-max down, --lr times --step-factor every --step-every steps, or --lr")
      .number("--lr", lr, 0, 1e3, "Learning rate of step (its first) and constant")
      .number("--lr-min", lr_min, 0, 1e3, "Lowest learning rate of cyclic and cosine")
      .number("--lr-max", lr_max, 0, 1e3,
              "Highest learning rate of cyclic and cosine; 0.02 suits momentum and nesterov, 0.001 "
              "adam and adamw, 0.0003 rmsprop, 0.01 adagrad")
      .count("--half-cycle", half_cycle, 1, 1'000'000'000,
             "Steps from lowest to highest; a cycle is twice as many, with every schedule")
      .count("--cycles", cycles, 1, 1'000'000, "Cycles to train")
      .number("--peak-decay", peak_decay, 0, 1,
              "Of cyclic: the height of each cycle, as a share of the one before")
      .count("--cycle-growth", cycle_growth, 1, 1000,
             "Of cyclic and cosine: the length of each cycle, in lengths of the one before")
      .count("--step-every", step_every, 1, 1'000'000'000, "Of step: steps between its changes")
      .number("--step-factor", step_factor, 0, 1, "Of step: what the rate is multiplied by");
}

void ScheduleOptions::check() const {
  const ScheduleOptions defaults;
  const auto require = [&](const char* option, bool changed, const Names& users) {
    require_use(option, changed, "--schedule", kind, users);
  };
  require_known("--schedule", kind, schedules);
  require("--lr", lr != defaults.lr, {"step", "constant"});
  require("--lr-min", lr_min != defaults.lr_min, {"cyclic", "cosine"});
  require("--lr-max", lr_max != defaults.lr_max, {"cyclic", "cosine"});
  require("--peak-decay", peak_decay != defaults.peak_decay, {"cyclic"});
  require("--cycle-growth", cycle_growth != defaults.cycle_growth, {"cyclic", "cosine"});
  require("--step-every", step_every != defaults.step_every, {"step"});
  require("--step-factor", step_factor != defaults.step_factor, {"step"});
  if (lr_min > lr_max) throw UsageError("--lr-min is above --lr-max");
}

optim::Schedule ScheduleOptions::schedule() const {
  check();
  if (kind == "constant") return optim::Constant{lr};
  if (kind == "step") return optim::StepDecay{.lr = lr, .factor = step_factor, .every = step_every};
  if (kind == "cosine") {
    return optim::CosineLr{
        .lr_min = lr_min, .lr_max = lr_max, .period = cycle_steps(), .growth = cycle_growth};
  }
  return optim::CyclicLr{.lr_min = lr_min,
                         .lr_max = lr_max,
                         .half_cycle = half_cycle,
                         .peak_decay = peak_decay,
                         .growth = cycle_growth};
}

Index ScheduleOptions::steps() const {
  check();
  return optim::CyclicLr{.half_cycle = half_cycle, .growth = cycle_growth}.steps(cycles);
}

template std::unique_ptr<optim::Optimizer<float>> OptimizerOptions::make(optim::ParamGroups<float>,
                                                                         optim::Schedule) const;
template std::unique_ptr<optim::Optimizer<double>> OptimizerOptions::make(
    optim::ParamGroups<double>, optim::Schedule) const;

}  // namespace tapegrad::examples
