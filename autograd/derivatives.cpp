#include "autograd/derivatives.h"

#include <fmt/format.h>

namespace tapegrad {
namespace {

void set_tangents(Parameter<Dual>& parameter, const Tensor<double>* v) {
  const View<Dual> x = parameter.write();
  for (Index i = 0; i < x.size(); ++i) x[i].tangent = v == nullptr ? 0 : (*v)[i];
}

// Takes the tangents out again, also when the cost throws.
struct ClearTangents {
  const ParameterList<Dual>& parameters;
  ~ClearTangents() {
    for (const auto& p : parameters) set_tangents(*p.parameter, nullptr);
  }
};

void require_fitting(const ParameterList<Dual>& parameters, std::span<const Tensor<double>> v) {
  if (v.size() != parameters.size()) {
    throw ShapeError(
        fmt::format("hvp: {} parameters but {} tensors in v", parameters.size(), v.size()));
  }
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (v[i].shape() == parameters[i].parameter->shape()) continue;
    throw ShapeError(fmt::format("hvp: parameter `{}` is {} but v is {}", parameters[i].name,
                                 to_string(parameters[i].parameter->shape()),
                                 to_string(v[i].shape())));
  }
}

}  // namespace

std::vector<Tensor<Dual>> with_tangents(std::span<const Tensor<double>> x,
                                        std::span<const Tensor<double>> v) {
  if (x.size() != v.size()) {
    throw ShapeError(fmt::format("with_tangents: {} tensors in x but {} in v", x.size(), v.size()));
  }
  std::vector<Tensor<Dual>> out;
  for (std::size_t i = 0; i < x.size(); ++i) out.push_back(with_tangent(x[i], v[i]));
  return out;
}

std::vector<Tensor<double>> hvp(const ParameterList<Dual>& parameters, const Cost<Dual>& cost,
                                std::span<const Tensor<double>> v) {
  require_fitting(parameters, v);
  const ClearTangents clear{parameters};
  for (std::size_t i = 0; i < v.size(); ++i) set_tangents(*parameters[i].parameter, &v[i]);
  std::vector<Tensor<double>> products;
  for (const auto& gradient : gradients_of(parameters, cost))
    products.push_back(tangents(gradient));
  return products;
}

}  // namespace tapegrad
