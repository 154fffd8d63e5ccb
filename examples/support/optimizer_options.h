// The options that choose how a program trains: the optimizer, and the learning rate's schedule.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "examples/support/command_line.h"
#include "optim/optimizer.h"

namespace tapegrad::examples {

/// Which optimizer to use; see add_options for what each option means.
struct OptimizerOptions {
  std::string optimizer = "sgd";
  std::optional<double> momentum = {};  // 0.9 when not given
  double clip_norm = 0;

  void add_options(CommandLine& command_line);

  /// Throws UsageError for a momentum that the optimizer has no use for, for nesterov with momentum
  /// 0, or an unknown optimizer.
  void check() const;

  /// The optimizer. Throws as check() does.
  template <Real T>
  std::unique_ptr<optim::Optimizer<T>> make(optim::ParamGroups<T> groups,
                                            optim::Schedule schedule) const;
};

/// Which learning rates to train with, and for how long: a whole number of cycles, also where the
/// rate does not follow them. Options that the chosen schedule has no use for must keep their
/// defaults.
struct ScheduleOptions {
  std::string kind = "cyclic";
  double lr = 0.01;
  double lr_min = 1e-5;
  double lr_max = 1e-1;
  Index half_cycle = 500;
  Index cycles = 1;
  double peak_decay = 1;
  Index cycle_growth = 1;
  Index step_every = 1000;
  double step_factor = 0.1;

  void add_options(CommandLine& command_line);

  /// The chosen schedule. Throws UsageError for options that contradict each other.
  optim::Schedule schedule() const;

  /// How many steps to train: all cycles. Throws as schedule() does, and OptionError when there are
  /// too many steps to count.
  Index steps() const;

  /// The steps of the first cycle.
  Index cycle_steps() const { return 2 * half_cycle; }

 private:
  void check() const;
};

}  // namespace tapegrad::examples
