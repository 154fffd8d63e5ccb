#include "nn/snapshots.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace tapegrad::nn {

template <Real T>
void Snapshots<T>::add(const ParameterList<T>& parameters) {
  std::vector<Tensor<T>> values;
  for (const auto& p : parameters) values.emplace_back(p.parameter->value());
  snapshots_.push_back(std::move(values));
}

template <Real T>
void Snapshots<T>::restore(Index i, const ParameterList<T>& parameters) const {
  if (i < 0 || i >= size()) {
    throw OptionError(fmt::format("snapshots: there is no {}: there are {}", i, size()));
  }
  const auto& values = snapshots_[static_cast<std::size_t>(i)];
  if (values.size() != parameters.size()) {
    throw ShapeError(fmt::format("snapshots: {} parameters for a snapshot of {}", parameters.size(),
                                 values.size()));
  }
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (parameters[k].parameter->shape() != values[k].shape()) {
      throw ShapeError(fmt::format("snapshots: `{}` is {} but was {}", parameters[k].name,
                                   to_string(parameters[k].parameter->shape()),
                                   to_string(values[k].shape())));
    }
  }
  for (std::size_t k = 0; k < values.size(); ++k) {
    std::copy(values[k].begin(), values[k].end(), parameters[k].parameter->write().begin());
  }
}

template <Real T>
Safetensors Snapshots<T>::save() const {
  Safetensors state;
  for (std::size_t i = 0; i < snapshots_.size(); ++i) {
    for (std::size_t k = 0; k < snapshots_[i].size(); ++k) {
      state.add<T>(fmt::format("{}/{}", i, k), snapshots_[i][k]);
    }
  }
  return state;
}

template <Real T>
void Snapshots<T>::load(const Safetensors& state) {
  std::vector<std::vector<Tensor<T>>> snapshots;
  std::size_t taken = 0;
  while (state.tensors.contains(fmt::format("{}/0", snapshots.size()))) {
    std::vector<Tensor<T>> values;
    for (;;) {
      const auto found = state.tensors.find(fmt::format("{}/{}", snapshots.size(), values.size()));
      if (found == state.tensors.end()) break;
      values.push_back(found->second.template as<T>());
      ++taken;
    }
    snapshots.push_back(std::move(values));
  }
  if (taken != state.tensors.size()) throw FormatError("snapshots: one of them is incomplete");
  snapshots_ = std::move(snapshots);
}

template class Snapshots<float>;
template class Snapshots<double>;

}  // namespace tapegrad::nn
