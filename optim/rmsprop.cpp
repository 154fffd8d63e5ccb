#include "optim/rmsprop.h"

#include "tensor/kernels.h"
#include "tensor/options.h"
#include "tensor/pieces.h"

namespace tapegrad::optim {

template <Real T>
RmsProp<T>::RmsProp(ParamGroups<T> groups, Schedule schedule, RmsPropOptions options)
    : Optimizer<T>(std::move(groups), std::move(schedule), options.clip),
      options_(options),
      squares_(this->keep("square")),
      means_(this->keep("mean", options.centered)),
      velocities_(this->keep("velocity", options.momentum > 0)) {
  require_fraction("RmsProp: alpha", options.alpha);
  require_fraction("RmsProp: momentum", options.momentum);
  require_epsilon<T>("RmsProp: epsilon", options.epsilon);
}

template <Real T>
void RmsProp<T>::update(std::size_t slot, Parameter<T>& parameter,
                        const kernels::UpdateRule<T>& rule) {
  kernels::UpdateRule<T> with_momentum = rule;
  with_momentum.momentum = static_cast<T>(options_.momentum);
  const kernels::RmsPropRule<T> rmsprop{.alpha = static_cast<T>(options_.alpha),
                                        .gain = static_cast<T>(1 - options_.alpha),
                                        .epsilon = static_cast<T>(options_.epsilon)};
  const T* g = parameter.gradient().data();
  const View<T> w = parameter.write();
  T* square = squares_[slot].data();
  T* mean = means_.empty() ? nullptr : means_[slot].data();
  T* velocity = velocities_.empty() ? nullptr : velocities_[slot].data();
  const auto& loops = kernels::training_loops<T>();
  kernels::for_each_piece(w.size(), kernels::elements_per_piece, [&](Index first, Index last) {
    const auto from_first = [first](T* all) { return all == nullptr ? nullptr : all + first; };
    loops.rmsprop(last - first, with_momentum, rmsprop, g + first, square + first, from_first(mean),
                  from_first(velocity), w.data() + first);
  });
}

template class RmsProp<float>;
template class RmsProp<double>;

}  // namespace tapegrad::optim
