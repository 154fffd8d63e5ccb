// Stochastic gradient descent.
#pragma once

#include "optim/optimizer.h"

namespace tapegrad::optim {

struct SgdOptions {
  double momentum = 0;    // [0, 1)
  bool nesterov = false;  // look ahead along the velocity; needs momentum > 0
  Clip clip = {};
};

/// With g the (clipped) gradient plus weight_decay * w:
///   plain     w <- w - lr g
///   momentum  v <- momentum v + g,  w <- w - lr v
///   Nesterov  v <- momentum v + g,  w <- w - lr (g + momentum v)
/// as PyTorch's SGD computes them. Source: Sutskever et al. 2013.
template <Real T>
class Sgd final : public Optimizer<T> {
 public:
  /// Throws OptionError for a momentum outside [0, 1) or Nesterov without momentum.
  Sgd(ParamGroups<T> groups, Schedule schedule, SgdOptions options = {});

 private:
  void update(std::size_t slot, Parameter<T>& parameter,
              const kernels::UpdateRule<T>& rule) override;
  bool descends_plainly() const override { return velocities_.empty(); }

  SgdOptions options_;
  typename Optimizer<T>::Memory& velocities_;  // by slot; empty without momentum
};

}  // namespace tapegrad::optim
