#include "autograd/parameter_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace tapegrad {
namespace {

template <Scalar T>
Parameter<T>* find(const ParameterList<T>& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const auto& p) { return p.name == name; });
  return found == list.end() ? nullptr : found->parameter;
}

}  // namespace

template <Scalar T>
ParameterList<T>& ParameterList<T>::add(const std::string& name, Parameter<T>& parameter) {
  for (const auto& p : all_) {
    if (p.parameter == &parameter) return *this;
    if (p.name == name) throw FormatError(fmt::format("two parameters are named `{}`", name));
  }
  all_.push_back({name, &parameter});
  return *this;
}

template <Scalar T>
ParameterList<T>& ParameterList<T>::add(const std::string& name, Rng& rng) {
  for (const auto& g : generators_) {
    if (g.rng == &rng) return *this;
    if (g.name == name) throw FormatError(fmt::format("two generators are named `{}`", name));
  }
  generators_.push_back({name, &rng});
  return *this;
}

template <Scalar T>
Parameter<T>& ParameterList<T>::at(const std::string& name) const {
  if (Parameter<T>* found = find(*this, name)) return *found;
  std::string names;
  for (const auto& p : all_) names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
  throw FormatError(fmt::format("there is no parameter `{}`; there are: {}", name, names));
}

template <Scalar T>
ParameterList<T> ParameterList<T>::trainable() const {
  ParameterList list;
  for (const auto& p : all_) {
    if (!p.parameter->frozen()) list.all_.push_back(p);
  }
  return list;
}

template <Scalar T>
Index ParameterList<T>::count() const {
  Index n = 0;
  for (const auto& p : all_) n += p.parameter->size();
  return n;
}

template <Scalar From, Scalar To>
void copy_values(const ParameterList<From>& from, const ParameterList<To>& to) {
  for (const auto& p : to) {
    const Shape& source = from.at(p.name).shape();
    if (source != p.parameter->shape()) {
      throw FormatError(
          fmt::format("copy_values: parameter `{}` is {} in the source but {} in the target",
                      p.name, to_string(source), to_string(p.parameter->shape())));
    }
  }
  for (const auto& p : from) to.at(p.name);
  for (const auto& p : to) {
    const View<const From> source = from.at(p.name).value();
    std::transform(source.begin(), source.end(), p.parameter->write().begin(),
                   [](From x) { return static_cast<To>(x); });
  }
}

template class ParameterList<float>;
template class ParameterList<double>;
template class ParameterList<Dual>;
template void copy_values(const ParameterList<float>&, const ParameterList<float>&);
template void copy_values(const ParameterList<float>&, const ParameterList<double>&);
template void copy_values(const ParameterList<double>&, const ParameterList<float>&);
template void copy_values(const ParameterList<double>&, const ParameterList<double>&);
template void copy_values(const ParameterList<float>&, const ParameterList<Dual>&);
template void copy_values(const ParameterList<double>&, const ParameterList<Dual>&);

}  // namespace tapegrad
