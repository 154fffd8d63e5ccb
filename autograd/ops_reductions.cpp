#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::apply;
using kernels::loops;

template <Scalar T>
Var<T> sum(Var<T> x) {
  auto y = x.tape().record("sum", Shape{}, {x});
  y.out()[0] = loops<T>().sum(x.value().size(), x.value().data());
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
  auto y = x.tape().record("mean", Shape{}, {x});
  const T n = number<T>(x.shape().size());
  y.out()[0] = loops<T>().sum(x.value().size(), x.value().data()) / n;
  return y.vjp([=](View<const T> dy) { kernels::fill<T>(dy[0] / n, x.grad()); });
}

template <Scalar T>
Var<T> mean(Var<T> x, int axis, bool keepdim) {
  const int at = x.shape().axis(axis, "mean");
  const T share = T(1) / number<T>(x.shape()[at]);
  const Shape shape = keepdim ? x.shape().with(at, 1) : x.shape().without(at);
  auto y = x.tape().record("mean", shape, {x});
  // Sums on the way to the mean, and the mean's gradient on the way back.
  const View<T> scratch(x.tape().template scratch<T>(shape.size()).data(), shape);
  kernels::sum_axis<T>(x.value(), at, scratch);
  apply<T>(loops<T>().scale, share, scratch, y.out());
  return y.vjp([=](View<const T> dy) {
    apply<T>(loops<T>().scale, share, dy, scratch);
    kernels::repeat_axis<T>(scratch, at, x.grad());
  });
}

#define TAPEGRAD_LIST(T)                  \
  template Var<T> sum(Var<T>);            \
  template Var<T> sum(Var<T>, int, bool); \
  template Var<T> mean(Var<T>);           \
  template Var<T> mean(Var<T>, int, bool);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
