#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

namespace tapegrad {

template <Scalar T>
Var<T> sum(Var<T> x) {
  auto y = x.tape().record("sum", Shape{}, {x});
  y.out()[0] = kernels::loops<T>().sum(x.value().size(), x.value().data());
  return y.vjp([=](View<const T> dy) { kernels::fill<T>(dy[0], x.grad()); });
}

template <Scalar T>
Var<T> sum(Var<T> x, int axis, bool keepdim) {
  const int at = x.shape().axis(axis, "sum");
  const Shape shape = keepdim ? x.shape().with(at, 1) : x.shape().without(at);
  auto y = x.tape().record("sum", shape, {x});
  kernels::sum_axis<T>(x.value(), at, y.out());
  return y.vjp([=](View<const T> dy) { kernels::repeat_axis<T>(dy, at, x.grad()); });
}

template <Scalar T>
Var<T> mean(Var<T> x) {
  return sum(x) / static_cast<T>(x.shape().size());
}

template <Scalar T>
Var<T> mean(Var<T> x, int axis, bool keepdim) {
  const Index n = x.shape()[x.shape().axis(axis, "mean")];
  return sum(x, axis, keepdim) / static_cast<T>(n);
}

#define TAPEGRAD_LIST(T)                  \
  template Var<T> sum(Var<T>);            \
  template Var<T> sum(Var<T>, int, bool); \
  template Var<T> mean(Var<T>);           \
  template Var<T> mean(Var<T>, int, bool);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
