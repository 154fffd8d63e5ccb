#include "autograd/factored_gradients.h"

#include <algorithm>
#include <cassert>
#include <functional>

#include "tensor/kernels.h"

namespace tapegrad {
namespace {

template <class T>
bool overlap(View<const T> x, View<const T> y) {
  const std::less<const T*> before;
  return before(x.data(), y.end()) && before(y.data(), x.end());
}

}  // namespace

template <Scalar T>
typename FactoredGradients<T>::Entry* FactoredGradients<T>::find(const Parameter<T>& parameter) {
  const auto found = std::find_if(
      all_.begin(), all_.end(), [&](const Entry& entry) { return entry.parameter == &parameter; });
  return found == all_.end() ? nullptr : &*found;
}

template <Scalar T>
bool FactoredGradients<T>::keep(Parameter<T>& parameter, const Factors<T>& factors) {
  const auto& [a, b] = factors;
  if (!std::same_as<T, float> || !kernels::can_descend_along(a.shape(), b.shape())) return false;
  if (parameter.frozen()) return false;
  for (const Entry& other : all_) {
    const View<const T> values = other.parameter->value();
    if (overlap(values, a) || overlap(values, b)) return false;
  }
  Entry* entry = find(parameter);
  if (entry == nullptr) return false;
  entry->factors = factors;
  parameter.factored_ = true;
  return true;
}

template <Scalar T>
void FactoredGradients<T>::write(Parameter<T>& parameter) {
  Entry* entry = find(parameter);
  assert(entry != nullptr && entry->there());
  kernels::gemm<T>(kernels::Op::transpose, kernels::Op::none, entry->factors.a, entry->factors.b,
                   parameter.gradient_.view());
  entry->factors = {};
  parameter.factored_ = false;
}

template <Scalar T>
void FactoredGradients<T>::forget() {
  for (Entry& entry : all_) entry.factors = {};
}

template class FactoredGradients<float>;
template class FactoredGradients<double>;
template class FactoredGradients<Dual>;

}  // namespace tapegrad
