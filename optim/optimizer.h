// What all optimizers share: groups, a schedule, clipping, the bookkeeping of steps.
#pragma once

#include "optim/param_group.h"
#include "optim/schedule.h"
#include "tensor/loops.h"
#include "tensor/tensor.h"

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

  /// What an optimizer remembers of each parameter: a tensor of its shape, all `value`, by slot.
  std::vector<Tensor<T>> state(T value = 0) const;

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

/// Throws OptionError, beginning with `option`, unless the value is in [0, 1).
void require_fraction(const char* option, double value);

/// Throws OptionError, beginning with `option`, unless the value is finite and above 0 as a T too:
/// it keeps a parameter whose gradients were all 0 from becoming 0 / 0.
template <Real T>
void require_epsilon(const char* option, double value);

}  // namespace tapegrad::optim
