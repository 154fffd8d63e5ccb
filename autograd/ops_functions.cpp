#include <fmt/format.h>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/options.h"

namespace tapegrad {

using kernels::apply;
using kernels::loops;

template <Scalar T>
Var<T> exp(Var<T> x) {
  auto y = x.tape().record("exp", x.shape(), {x});
  apply<T>(loops<T>().exp, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().multiply, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> log(Var<T> x) {
  auto y = x.tape().record("log", x.shape(), {x});
  apply<T>(loops<T>().log, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().divide, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> sqrt(Var<T> x) {
  auto y = x.tape().record("sqrt", x.shape(), {x});
  apply<T>(loops<T>().sqrt, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().sqrt_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> square(Var<T> x) {
  auto y = x.tape().record("square", x.shape(), {x});
  apply<T>(loops<T>().square, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().square_vjp, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> tanh(Var<T> x) {
  auto y = x.tape().record("tanh", x.shape(), {x});
  apply<T>(loops<T>().tanh, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().tanh_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> sigmoid(Var<T> x) {
  auto y = x.tape().record("sigmoid", x.shape(), {x});
  apply<T>(loops<T>().sigmoid, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { apply<T>(loops<T>().sigmoid_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> relu(Var<T> x) {
  auto y = x.tape().record("relu", x.shape(), {x});
  apply<T>(loops<T>().relu, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().relu_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> abs(Var<T> x) {
  auto y = x.tape().record("abs", x.shape(), {x});
  apply<T>(loops<T>().abs, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().abs_vjp, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> sin(Var<T> x) {
  auto y = x.tape().record("sin", x.shape(), {x});
  apply<T>(loops<T>().sin, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().sin_vjp, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> cos(Var<T> x) {
  auto y = x.tape().record("cos", x.shape(), {x});
  apply<T>(loops<T>().cos, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().cos_vjp, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> softplus(Var<T> x) {
  auto y = x.tape().record("softplus", x.shape(), {x});
  apply<T>(loops<T>().softplus, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { apply<T>(loops<T>().softplus_vjp, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> gelu(Var<T> x) {
  auto y = x.tape().record("gelu", x.shape(), {x});
  apply<T>(loops<T>().gelu, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().gelu_vjp, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> leaky_relu(Var<T> x, double slope) {
  const T k = static_cast<T>(slope);
  auto y = x.tape().record("leaky_relu", x.shape(), {x});
  apply<T>(loops<T>().leaky_relu, k, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { apply<T>(loops<T>().leaky_relu_vjp, k, dy, x.value(), x.grad()); });
}

template <Scalar T>
Var<T> reciprocal(Var<T> x) {
  auto y = x.tape().record("reciprocal", x.shape(), {x});
  apply<T>(loops<T>().reciprocal, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { apply<T>(loops<T>().reciprocal_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> pow(Var<T> x, double k) {
  const T exponent = static_cast<T>(k);
  auto y = x.tape().record("pow", x.shape(), {x});
  apply<T>(loops<T>().pow_constant, exponent, x.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    apply<T>(loops<T>().pow_constant_vjp, exponent, dy, x.value(), x.grad());
  });
}

template <Scalar T>
Var<T> clamp(Var<T> x, double low, double high) {
  if (!(low <= high)) {
    throw OptionError(
        fmt::format("clamp: low is {} and high is {}, but low must be <= high", low, high));
  }
  const T lowest = static_cast<T>(low);
  const T highest = static_cast<T>(high);
  auto y = x.tape().record("clamp", x.shape(), {x});
  const Index n = x.shape().size();
  loops<T>().clamp(n, lowest, highest, x.value().data(), y.out().data(), true);
  return y.vjp([=](View<const T> dy) {
    const Grad<T> dx = x.grad();
    loops<T>().clamp_vjp(n, lowest, highest, dy.data(), x.value().data(), dx.to.data(), dx.fresh);
  });
}

template <Scalar T>
Var<T> dropout(Var<T> x, double p, Rng key) {
  require_fraction("dropout: p", p);
  auto y = x.tape().record("dropout", x.shape(), {x});
  const View<T> mask(x.tape().template scratch<T>(x.shape().size()).data(), x.shape());
  const T kept = static_cast<T>(1 / (1 - p));
  for (T& factor : mask) factor = key.uniform() < p ? T(0) : kept;
  apply<T>(loops<T>().multiply, x.value(), mask, y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().multiply, dy, mask, x.grad()); });
}

#define TAPEGRAD_LIST(T)                         \
  template Var<T> exp(Var<T>);                   \
  template Var<T> log(Var<T>);                   \
  template Var<T> sqrt(Var<T>);                  \
  template Var<T> square(Var<T>);                \
  template Var<T> tanh(Var<T>);                  \
  template Var<T> sigmoid(Var<T>);               \
  template Var<T> relu(Var<T>);                  \
  template Var<T> abs(Var<T>);                   \
  template Var<T> sin(Var<T>);                   \
  template Var<T> cos(Var<T>);                   \
  template Var<T> softplus(Var<T>);              \
  template Var<T> gelu(Var<T>);                  \
  template Var<T> leaky_relu(Var<T>, double);    \
  template Var<T> reciprocal(Var<T>);            \
  template Var<T> pow(Var<T>, double);           \
  template Var<T> clamp(Var<T>, double, double); \
  template Var<T> dropout(Var<T>, double, Rng);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
