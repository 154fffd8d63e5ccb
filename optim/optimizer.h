// What all optimizers share: groups, a schedule, clipping, the bookkeeping of steps.
#pragma once

#include "optim/param_group.h"
#include "optim/schedule.h"
#include "tensor/loops.h"

namespace tapegrad::optim {

/// Limits on gradients, applied inside the step; the stored gradients stay as backward wrote them.
/// 0 switches a limit off.
struct Clip {
  double norm = 0;   // scales all gradients so that their common Euclidean norm is at most this
  double value = 0;  // then cuts every element to [-value, value]
};

/// The Euclidean norm of the gradients of all parameters together.
template <Real T>
double gradient_norm(const ParamGroups<T>& groups);

/// Moves parameters by their gradients. Reads gradients and never writes them; the one thing that
/// writes parameter values. The parameters must outlive it.
template <Real T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update with the learning rate lr(). Parameters without a new gradient (frozen, or not on
  /// the last tape) stay. Throws GradError when no parameter has a new gradient.
  void step();

  /// How many updates were made.
  Index steps() const { return steps_; }

  /// The learning rate of the next update.
  double lr() const { return schedule_(steps_); }

  const ParamGroups<T>& groups() const { return groups_; }

 protected:
  /// Throws OptionError for a parameter in two groups, a negative decay or a negative limit.
  Optimizer(ParamGroups<T> groups, Schedule schedule, Clip clip);

  /// Updates one parameter; `slot` counts the parameters through all groups.
  virtual void update(std::size_t slot, Parameter<T>& parameter,
                      const kernels::UpdateRule<T>& rule) = 0;

 private:
  void require_new_gradient() const;
  double gradient_scale() const;

  ParamGroups<T> groups_;
  Schedule schedule_;
  Clip clip_;
  Index steps_ = 0;
};

}  // namespace tapegrad::optim
