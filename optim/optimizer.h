// What all optimizers share: groups, a schedule, clipping, the bookkeeping of steps.
#pragma once

#include <map>
#include <string>

#include "autograd/tape.h"
#include "optim/param_group.h"
#include "optim/schedule.h"
#include "tensor/loops.h"
#include "tensor/safetensors.h"
#include "tensor/tensor.h"

namespace tapegrad::optim {

/// Limits on gradients, applied inside the step; the stored gradients stay as backward wrote them.
/// 0 switches a limit off.
struct Clip {
  double norm = 0;   // scales all gradients so that their common Euclidean norm is at most this
  double value = 0;  // then cuts every element to [-value, value]
};

/// The Euclidean norm of the new gradients of all parameters together, between backward and step.
/// Throws GradError when no parameter has one: a step uses them up.
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
  /// the last tape) stay. Throws GradError when no parameter has a new gradient and OptionError for
  /// a learning rate that is negative or not finite; then nothing is moved.
  void step();

  /// loss.tape().backward(loss) and step() in one, with the same bits, and faster where the rule
  /// can move a weight as its gradient is computed, a few numbers at a time. That gradient is
  /// written nowhere: the weight's gradient() throws until another backward pass has reached it.
  /// Throws as both do; no parameter has a new gradient afterwards, even so.
  void minimize(Var<T> loss);

  /// How many updates were made.
  Index steps() const { return steps_; }

  /// The learning rate of the next update.
  double lr() const { return schedule_(steps_); }

  const ParamGroups<T>& groups() const { return groups_; }

  /// All it remembers beside the parameters: the number of updates made, of all together and of
  /// each parameter, and what its rule keeps, such as velocities, by the parameters' names. Throws
  /// FormatError when two have the same.
  Safetensors save() const;

  /// Goes on from what save() gave. Throws FormatError, and changes nothing, when that was another
  /// optimizer or one of other parameters.
  void restore(const Safetensors& state);

 protected:
  /// Throws OptionError for a parameter in two groups, a negative decay or limit, or no schedule.
  Optimizer(ParamGroups<T> groups, Schedule schedule, Clip clip);

  /// What a rule keeps of each parameter from one update to the next: tensors by slot.
  using Memory = std::vector<Tensor<T>>;

  /// A memory by that name, for constructors: each tensor has its parameter's shape and is all
  /// `value`. Without `needed` it is empty.
  Memory& keep(const char* name, bool needed = true, T value = 0);

  /// How many updates a parameter had, with the one being made.
  Index updates(std::size_t slot) const { return updates_[slot]; }

  /// Updates one parameter; `slot` counts the parameters through all groups.
  virtual void update(std::size_t slot, Parameter<T>& parameter,
                      const kernels::UpdateRule<T>& rule) = 0;

  /// Whether an update is w -= lr (g + weight_decay * w), with g as it comes.
  virtual bool descends_plainly() const { return false; }

 private:
  double gradient_scale() const;
  ParameterList<T> parameters() const;

  ParamGroups<T> groups_;
  Schedule schedule_;
  Clip clip_;
  Index steps_ = 0;
  std::vector<std::int64_t> updates_;   // by slot
  FactoredGradients<T> factored_;       // by slot, while minimize is under way
  std::map<std::string, Memory> kept_;  // by name
};

/// Throws OptionError, beginning with `option`, unless the value is finite and above 0 as a T too:
/// it keeps a parameter whose gradients were all 0 from becoming 0 / 0.
template <Real T>
void require_epsilon(const char* option, double value);

}  // namespace tapegrad::optim
