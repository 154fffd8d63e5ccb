#include "optim/sgd.h"

#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/options.h"
#include "tensor/pieces.h"

namespace tapegrad::optim {

template <Real T>
Sgd<T>::Sgd(ParamGroups<T> groups, Schedule schedule, SgdOptions options)
    : Optimizer<T>(std::move(groups), std::move(schedule), options.clip),
      options_(options),
      velocities_(this->keep("velocity", options.momentum > 0)) {
  require_fraction("Sgd: momentum", options.momentum);
  if (options.nesterov && options.momentum == 0) {
    throw OptionError("Sgd: Nesterov needs a momentum above 0");
  }
}

template <Real T>
void Sgd<T>::update(std::size_t slot, Parameter<T>& parameter, const kernels::UpdateRule<T>& rule) {
  const T* g = parameter.gradient().data();
  const View<T> w = parameter.write();
  const auto& loops = kernels::training_loops<T>();
  if (velocities_.empty()) {
    kernels::for_each_piece(w.size(), kernels::elements_per_piece, [&](Index first, Index last) {
      loops.descend(last - first, rule, g + first, w.data() + first);
    });
    return;
  }
  kernels::UpdateRule<T> with_momentum = rule;
  with_momentum.momentum = static_cast<T>(options_.momentum);
  with_momentum.nesterov = options_.nesterov;
  T* velocity = velocities_[slot].data();
  kernels::for_each_piece(w.size(), kernels::elements_per_piece, [&](Index first, Index last) {
    loops.descend_with_momentum(last - first, with_momentum, g + first, velocity + first,
                                w.data() + first);
  });
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace tapegrad::optim
