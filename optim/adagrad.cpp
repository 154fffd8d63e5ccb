#include "optim/adagrad.h"

#include <fmt/format.h>

#include <cmath>

#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad::optim {

template <Real T>
AdaGrad<T>::AdaGrad(ParamGroups<T> groups, Schedule schedule, AdaGradOptions options)
    : Optimizer<T>(std::move(groups), std::move(schedule), options.clip),
      options_(options),
      sums_(this->keep("sum", true, static_cast<T>(options.initial))) {
  require_epsilon<T>("AdaGrad: epsilon", options.epsilon);
  if (!(options.initial >= 0 && std::isfinite(static_cast<T>(options.initial)))) {
    throw OptionError(
        fmt::format("AdaGrad: initial is {}, but must be at least 0 and finite", options.initial));
  }
}

template <Real T>
void AdaGrad<T>::update(std::size_t slot, Parameter<T>& parameter,
                        const kernels::UpdateRule<T>& rule) {
  const T* g = parameter.gradient().data();
  const View<T> w = parameter.write();
  kernels::training_loops<T>().adagrad(w.size(), rule, static_cast<T>(options_.epsilon), g,
                                       sums_[slot].data(), w.data());
}

template class AdaGrad<float>;
template class AdaGrad<double>;

}  // namespace tapegrad::optim
