#include <fmt/format.h>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::apply_rows;
using kernels::loops;

namespace {

void require_classes(const char* op, const Shape& x) {
  if (x.rank() < 1) {
    throw ShapeError(fmt::format("{}: x is a single number, but needs an axis of classes", op));
  }
}

}  // namespace

template <Scalar T>
Var<T> softmax(Var<T> x) {
  require_classes("softmax", x.shape());
  auto y = x.tape().record("softmax", x.shape(), {x});
  apply_rows<T>(loops<T>().softmax, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { apply_rows<T>(loops<T>().softmax_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> log_softmax(Var<T> x) {
  require_classes("log_softmax", x.shape());
  auto y = x.tape().record("log_softmax", x.shape(), {x});
  apply_rows<T>(loops<T>().log_softmax, x.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    apply_rows<T>(loops<T>().log_softmax_vjp, dy, y.value(), x.grad());
  });
}

#define TAPEGRAD_LIST(T)           \
  template Var<T> softmax(Var<T>); \
  template Var<T> log_softmax(Var<T>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
