#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::apply;
using kernels::AxisSplit;
using kernels::loops;

namespace {

// All elements as one axis.
AxisSplit all_of(const Shape& shape) { return {1, shape.size(), 1}; }

Shape reduced(const Shape& shape, int axis, bool keepdim) {
  return keepdim ? shape.with(axis, 1) : shape.without(axis);
}

template <Scalar T>
Var<T> max_along(Var<T> x, AxisSplit along, const Shape& shape) {
  auto y = x.tape().record("max", shape, {x});
  const std::span<Index> at = x.tape().template scratch<Index>(shape.size());
  loops<T>().max_axis(along, x.value().data(), y.out().data(), at.data());
  return y.vjp([=](View<const T> dy) {
    const Grad<T> dx = x.grad();
    loops<T>().max_axis_vjp(along, dy.data(), at.data(), dx.to.data(), dx.fresh);
  });
}

template <Scalar T>
Var<T> var_along(Var<T> x, AxisSplit along, const Shape& shape) {
  auto y = x.tape().record("var", shape, {x});
  const std::span<T> mean = x.tape().template scratch<T>(shape.size());
  loops<T>().var_axis(along, x.value().data(), mean.data(), y.out().data());
  return y.vjp([=](View<const T> dy) {
    const Grad<T> dx = x.grad();
    loops<T>().var_axis_vjp(along, dy.data(), x.value().data(), mean.data(), dx.to.data(),
                            dx.fresh);
  });
}

template <Scalar T>
Var<T> logsumexp_along(Var<T> x, AxisSplit along, const Shape& shape) {
  auto y = x.tape().record("logsumexp", shape, {x});
  const std::span<T> base = x.tape().template scratch<T>(shape.size());
  const std::span<T> total = x.tape().template scratch<T>(shape.size());
  loops<T>().logsumexp_axis(along, x.value().data(), base.data(), total.data(), y.out().data());
  return y.vjp([=](View<const T> dy) {
    const Grad<T> dx = x.grad();
    loops<T>().logsumexp_axis_vjp(along, dy.data(), x.value().data(), base.data(), total.data(),
                                  dx.to.data(), dx.fresh);
  });
}

}  // namespace

template <Scalar T>
Var<T> sum(Var<T> x) {
  auto y = x.tape().record("sum", Shape{}, {x});
  y.out()[0] = loops<T>().sum(x.value().size(), x.value().data());
  return y.vjp([=](View<const T> dy) { kernels::fill<T>(dy[0], x.grad()); });
}

template <Scalar T>
Var<T> sum(Var<T> x, Axis axis, bool keepdim) {
  const int at = x.shape().axis(axis, "sum");
  const Shape shape = reduced(x.shape(), at, keepdim);
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
Var<T> mean(Var<T> x, Axis axis, bool keepdim) {
  const int at = x.shape().axis(axis, "mean");
  const T n = number<T>(x.shape()[at]);
  const Shape shape = reduced(x.shape(), at, keepdim);
  auto y = x.tape().record("mean", shape, {x});
  // Sums on the way to the mean, and the mean's gradient on the way back.
  const View<T> scratch(x.tape().template scratch<T>(shape.size()).data(), shape);
  kernels::sum_axis<T>(x.value(), at, scratch);
  apply<T>(loops<T>().quotient, n, scratch, y.out());
  return y.vjp([=](View<const T> dy) {
    apply<T>(loops<T>().quotient, n, dy, scratch);
    kernels::repeat_axis<T>(scratch, at, x.grad());
  });
}

template <Scalar T>
Var<T> max(Var<T> x) {
  return max_along(x, all_of(x.shape()), Shape{});
}

template <Scalar T>
Var<T> max(Var<T> x, Axis axis, bool keepdim) {
  const int at = x.shape().axis(axis, "max");
  return max_along(x, kernels::split_axis(x.shape(), at), reduced(x.shape(), at, keepdim));
}

template <Scalar T>
Var<T> var(Var<T> x) {
  return var_along(x, all_of(x.shape()), Shape{});
}

template <Scalar T>
Var<T> var(Var<T> x, Axis axis, bool keepdim) {
  const int at = x.shape().axis(axis, "var");
  return var_along(x, kernels::split_axis(x.shape(), at), reduced(x.shape(), at, keepdim));
}

template <Scalar T>
Var<T> logsumexp(Var<T> x) {
  return logsumexp_along(x, all_of(x.shape()), Shape{});
}

template <Scalar T>
Var<T> logsumexp(Var<T> x, Axis axis, bool keepdim) {
  const int at = x.shape().axis(axis, "logsumexp");
  return logsumexp_along(x, kernels::split_axis(x.shape(), at), reduced(x.shape(), at, keepdim));
}

#define TAPEGRAD_LIST(T)                    \
  template Var<T> sum(Var<T>);              \
  template Var<T> sum(Var<T>, Axis, bool);  \
  template Var<T> mean(Var<T>);             \
  template Var<T> mean(Var<T>, Axis, bool); \
  template Var<T> max(Var<T>);              \
  template Var<T> max(Var<T>, Axis, bool);  \
  template Var<T> var(Var<T>);              \
  template Var<T> var(Var<T>, Axis, bool);  \
  template Var<T> logsumexp(Var<T>);        \
  template Var<T> logsumexp(Var<T>, Axis, bool);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
