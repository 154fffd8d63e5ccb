// AdaGrad.
#pragma once

#include "optim/optimizer.h"

namespace tapegrad::optim {

struct AdaGradOptions {
  double epsilon = 1e-10;  // above 0
  double initial = 0;      // what the sum of squares starts from, at least 0
  Clip clip = {};
};

/// With g the (clipped) gradient plus weight_decay * w:
///   s <- s + g^2,  w <- w - lr g / (sqrt(s) + epsilon)
/// as PyTorch's Adagrad computes it. Source: Duchi et al. 2011.
template <Real T>
class AdaGrad final : public Optimizer<T> {
 public:
  /// Throws OptionError for an epsilon that is not above 0 or a negative initial sum.
  AdaGrad(ParamGroups<T> groups, Schedule schedule, AdaGradOptions options = {});

 private:
  void update(std::size_t slot, Parameter<T>& parameter,
              const kernels::UpdateRule<T>& rule) override;

  AdaGradOptions options_;
  typename Optimizer<T>::Memory& sums_;  // by slot
};

}  // namespace tapegrad::optim
