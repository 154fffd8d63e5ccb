#include "optim/sgd.h"

#include <fmt/format.h>

#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad::optim {

template <Real T>
Sgd<T>::Sgd(ParamGroups<T> groups, Schedule schedule, SgdOptions options)
    : Optimizer<T>(std::move(groups), std::move(schedule), options.clip), options_(options) {
  if (!(options.momentum >= 0 && options.momentum < 1)) {
    throw OptionError(fmt::format("Sgd: momentum is {}, but must be in [0, 1)", options.momentum));
  }
  if (options.nesterov && options.momentum == 0) {
    throw OptionError("Sgd: Nesterov needs a momentum above 0");
  }
  if (options.momentum == 0) return;
  for (const auto& group : this->groups()) {
    for (const auto& p : group.parameters) velocities_.emplace_back(p.parameter->shape());
  }
}

template <Real T>
void Sgd<T>::update(std::size_t slot, Parameter<T>& parameter, const kernels::UpdateRule<T>& rule) {
  const T* g = parameter.gradient().data();
  const View<T> w = parameter.write();
  if (velocities_.empty()) {
    kernels::training_loops<T>().descend(w.size(), rule, g, w.data());
    return;
  }
  kernels::UpdateRule<T> with_momentum = rule;
  with_momentum.momentum = static_cast<T>(options_.momentum);
  with_momentum.nesterov = options_.nesterov;
  kernels::training_loops<T>().descend_with_momentum(w.size(), with_momentum, g,
                                                     velocities_[slot].data(), w.data());
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace tapegrad::optim
