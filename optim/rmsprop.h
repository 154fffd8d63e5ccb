// RMSProp.
#pragma once

#include "optim/optimizer.h"

namespace tapegrad::optim {

struct RmsPropOptions {
  double alpha = 0.99;    // [0, 1): how much of the average of squares each update keeps
  double epsilon = 1e-8;  // above 0
  double momentum = 0;    // [0, 1)
  bool centered = false;  // divide by the standard deviation instead of the root mean square
  Clip clip = {};
};

/// With g the (clipped) gradient plus weight_decay * w:
///   s <- alpha s + (1 - alpha) g^2
///   plain     w <- w - lr g / (sqrt(s) + epsilon)
///   momentum  v <- momentum v + g / (sqrt(s) + epsilon),  w <- w - lr v
///   centered  a <- alpha a + (1 - alpha) g, and s - a^2 in place of s under the root
/// as PyTorch's RMSprop computes them. Source: Tieleman & Hinton 2012; centered: Graves 2013.
template <Real T>
class RmsProp final : public Optimizer<T> {
 public:
  /// Throws OptionError for an alpha or a momentum outside [0, 1) or an epsilon that is not above
  /// 0.
  RmsProp(ParamGroups<T> groups, Schedule schedule, RmsPropOptions options = {});

 private:
  void update(std::size_t slot, Parameter<T>& parameter,
              const kernels::UpdateRule<T>& rule) override;

  RmsPropOptions options_;
  typename Optimizer<T>::Memory& squares_;     // by slot
  typename Optimizer<T>::Memory& means_;       // by slot; empty unless centered
  typename Optimizer<T>::Memory& velocities_;  // by slot; empty without momentum
};

}  // namespace tapegrad::optim
