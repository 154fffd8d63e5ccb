#include "optim/adam.h"

#include <cmath>

#include "tensor/kernels.h"
#include "tensor/options.h"
#include "tensor/pieces.h"

namespace tapegrad::optim {

template <Real T>
Adam<T>::Adam(ParamGroups<T> groups, Schedule schedule, AdamOptions options)
    : Optimizer<T>(std::move(groups), std::move(schedule), options.clip),
      options_(options),
      means_(this->keep("mean")),
      squares_(this->keep("square")) {
  require_fraction("Adam: beta1", options.beta1);
  require_fraction("Adam: beta2", options.beta2);
  require_epsilon<T>("Adam: epsilon", options.epsilon);
}

template <Real T>
void Adam<T>::update(std::size_t slot, Parameter<T>& parameter,
                     const kernels::UpdateRule<T>& rule) {
  const AdamOptions& o = options_;
  const auto t = static_cast<double>(this->updates(slot));
  const double lr = rule.lr;
  const double shrink = o.decoupled ? 1 - lr * rule.weight_decay : 1;
  const kernels::AdamRule<T> adam{
      .beta1 = static_cast<T>(o.beta1),
      .gain1 = static_cast<T>(1 - o.beta1),
      .beta2 = static_cast<T>(o.beta2),
      .gain2 = static_cast<T>(1 - o.beta2),
      .epsilon = static_cast<T>(o.epsilon),
      .step_size = static_cast<T>(lr / (1 - std::pow(o.beta1, t))),
      .root_correction = static_cast<T>(std::sqrt(1 - std::pow(o.beta2, t))),
      .shrink = static_cast<T>(shrink)};
  kernels::UpdateRule<T> in_gradient = rule;
  if (o.decoupled) in_gradient.weight_decay = 0;
  const T* g = parameter.gradient().data();
  const View<T> w = parameter.write();
  T* mean = means_[slot].data();
  T* square = squares_[slot].data();
  kernels::for_each_piece(w.size(), kernels::elements_per_piece, [&](Index first, Index last) {
    kernels::training_loops<T>().adam(last - first, in_gradient, adam, g + first, mean + first,
                                      square + first, w.data() + first);
  });
}

template class Adam<float>;
template class Adam<double>;

}  // namespace tapegrad::optim
