#include <fmt/format.h>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

template <Scalar T>
Var<T> reshape(Var<T> x, const Shape& shape) {
  if (shape.size() != x.shape().size()) {
    throw ShapeError(fmt::format("reshape: {} has {} elements but {} has {}", to_string(x.shape()),
                                 x.shape().size(), to_string(shape), shape.size()));
  }
  auto y = x.tape().record("reshape", shape, {x});
  kernels::apply<T>(kernels::loops<T>().copy, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { kernels::apply<T>(kernels::loops<T>().copy, dy, x.grad()); });
}

template <Scalar T>
Var<T> transpose(Var<T> x) {
  if (x.shape().rank() != 2) {
    throw ShapeError(fmt::format("transpose: x is {}, but must be a matrix (rank 2, not {})",
                                 to_string(x.shape()), x.shape().rank()));
  }
  auto y = x.tape().record("transpose", {x.shape()[1], x.shape()[0]}, {x});
  kernels::transpose<T>(x.value(), y.out());
  return y.vjp([=](View<const T> dy) { kernels::transpose<T>(dy, x.grad()); });
}

template <Scalar T>
Var<T> broadcast_to(Var<T> x, const Shape& shape) {
  if (!broadcasts_to(x.shape(), shape)) {
    throw ShapeError(fmt::format(
        "broadcast_to: {} does not stretch to {}: aligned at the end, each size must be equal or 1",
        to_string(x.shape()), to_string(shape)));
  }
  auto y = x.tape().record("broadcast_to", shape, {x});
  kernels::broadcast<T>(x.value(), y.out());
  return y.vjp([=](View<const T> dy) { kernels::reduce_to<T>(dy, x.grad()); });
}

#define TAPEGRAD_LIST(T)                         \
  template Var<T> reshape(Var<T>, const Shape&); \
  template Var<T> transpose(Var<T>);             \
  template Var<T> broadcast_to(Var<T>, const Shape&);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
