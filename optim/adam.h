// Adam, and AdamW.
#pragma once

#include "optim/optimizer.h"

namespace tapegrad::optim {

struct AdamOptions {
  double beta1 = 0.9;     // [0, 1): how much of the gradient's average each update keeps
  double beta2 = 0.999;   // [0, 1): the same for its square
  double epsilon = 1e-8;  // above 0

  /// AdamW: w shrinks by lr * weight_decay * w beside the update, and the decay does not go through
  /// the averages. What is trained then is the loss alone: penalty(groups) is no part of a cost
  /// that this minimises, though a Trainer still reports it, and audit_update does not apply.
  bool decoupled = false;
  Clip clip = {};
};

/// With g the (clipped) gradient plus weight_decay * w, and t = 1, 2, ... counting the updates that
/// this parameter had:
///   m <- beta1 m + (1 - beta1) g
///   v <- beta2 v + (1 - beta2) g^2
///   w <- w - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
/// or, decoupled, g the gradient alone and (1 - lr weight_decay) w in place of w; as PyTorch's Adam
/// and AdamW compute them. Sources: Kingma & Ba 2015; Loshchilov & Hutter 2019.
template <Real T>
class Adam final : public Optimizer<T> {
 public:
  /// Throws OptionError for a beta outside [0, 1) or an epsilon that is not above 0.
  Adam(ParamGroups<T> groups, Schedule schedule, AdamOptions options = {});

 private:
  void update(std::size_t slot, Parameter<T>& parameter,
              const kernels::UpdateRule<T>& rule) override;

  AdamOptions options_;
  typename Optimizer<T>::Memory& means_;    // by slot
  typename Optimizer<T>::Memory& squares_;  // by slot
};

}  // namespace tapegrad::optim
