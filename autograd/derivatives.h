// Exact directional derivatives of first and second order, from the ops' own code.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "autograd/cost_gradients.h"
#include "autograd/tape.h"
#include "tensor/error.h"

namespace tapegrad {

/// x with the tangent v in every element. Throws ShapeError when the shapes differ.
inline Tensor<Dual> with_tangent(const Tensor<double>& x, const Tensor<double>& v) {
  if (x.shape() != v.shape()) {
    throw ShapeError("with_tangent: x is " + to_string(x.shape()) + " but v is " +
                     to_string(v.shape()));
  }
  Tensor<Dual> out(x.shape());
  for (Index i = 0; i < x.size(); ++i) out[i] = Dual(x[i], v[i]);
  return out;
}

/// The same for several tensors. Throws ShapeError also when there are not as many of both.
std::vector<Tensor<Dual>> with_tangents(std::span<const Tensor<double>> x,
                                        std::span<const Tensor<double>> v);

/// The tangents in a view of Duals.
inline Tensor<double> tangents(View<const Dual> x) {
  Tensor<double> out(x.shape());
  std::transform(x.begin(), x.end(), out.begin(), [](const Dual& d) { return d.tangent; });
  return out;
}

/// The Jacobian-vector product: d/dt f(x + t v) at t = 0, in one forward pass. `f` is a generic
/// lambda that takes a span of Vars and returns a Var of any shape.
template <class F>
Tensor<double> jvp(const F& f, std::span<const Tensor<double>> x,
                   std::span<const Tensor<double>> v) {
  NoGrad<Dual> tape;
  const std::vector<Tensor<Dual>> inputs = with_tangents(x, v);
  std::vector<Var<Dual>> vars;
  for (const auto& input : inputs) vars.push_back(tape.constant(input));
  return tangents(f(std::span<const Var<Dual>>(vars)).value());
}

/// The Hessian-vector product of a scalar function: the gradient's derivative along v, for each
/// input. Forward over reverse: one backward pass in Dual; no second derivative is written
/// anywhere.
template <class F>
std::vector<Tensor<double>> hvp(const F& f, std::span<const Tensor<double>> x,
                                std::span<const Tensor<double>> v) {
  Tape<Dual> tape;
  const std::vector<Tensor<Dual>> inputs = with_tangents(x, v);
  std::vector<Var<Dual>> vars;
  for (const auto& input : inputs) vars.push_back(tape.variable(input));
  tape.backward(f(std::span<const Var<Dual>>(vars)));
  std::vector<Tensor<double>> products;
  for (const auto& var : vars) products.push_back(tangents(tape.gradient(var)));
  return products;
}

/// The Hessian-vector product of a whole model's cost: the derivative of each parameter's gradient
/// when all parameters move along v, one tensor per parameter in the list's order. Parameters come
/// back as they were. Throws ShapeError when v does not fit.
std::vector<Tensor<double>> hvp(const ParameterList<Dual>& parameters, const Cost<Dual>& cost,
                                std::span<const Tensor<double>> v);

}  // namespace tapegrad
