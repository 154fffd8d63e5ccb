#include "optim/adagrad.h"

#include "tensor/kernels.h"
#include "tensor/options.h"
#include "tensor/pieces.h"

namespace tapegrad::optim {

template <Real T>
AdaGrad<T>::AdaGrad(ParamGroups<T> groups, Schedule schedule, AdaGradOptions options)
    : Optimizer<T>(std::move(groups), std::move(schedule), options.clip),
      options_(options),
      sums_(this->keep("sum", true, static_cast<T>(options.initial))) {
  require_epsilon<T>("AdaGrad: epsilon", options.epsilon);
  require_size("AdaGrad: initial", options.initial);
  require_size("AdaGrad: initial in this precision",
               static_cast<double>(static_cast<T>(options.initial)));
}

template <Real T>
void AdaGrad<T>::update(std::size_t slot, Parameter<T>& parameter,
                        const kernels::UpdateRule<T>& rule) {
  const T* g = parameter.gradient().data();
  const View<T> w = parameter.write();
  T* sum = sums_[slot].data();
  const auto epsilon = static_cast<T>(options_.epsilon);
  const auto& loops = kernels::training_loops<T>();
  kernels::for_each_piece(w.size(), kernels::elements_per_piece, [&](Index first, Index last) {
    loops.adagrad(last - first, rule, epsilon, g + first, sum + first, w.data() + first);
  });
}

template class AdaGrad<float>;
template class AdaGrad<double>;

}  // namespace tapegrad::optim
