#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

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

#define TAPEGRAD_LIST(T)           \
  template Var<T> exp(Var<T>);     \
  template Var<T> log(Var<T>);     \
  template Var<T> sqrt(Var<T>);    \
  template Var<T> square(Var<T>);  \
  template Var<T> tanh(Var<T>);    \
  template Var<T> sigmoid(Var<T>); \
  template Var<T> relu(Var<T>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
