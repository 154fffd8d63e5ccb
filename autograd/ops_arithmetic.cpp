#include <tuple>
#include <utility>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::apply;
using kernels::loops;

namespace {

template <Scalar T>
std::pair<Var<T>, Var<T>> stretch(const char* op, Var<T> a, Var<T> b) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), op);
  return {a.shape() == shape ? a : broadcast_to(a, shape),
          b.shape() == shape ? b : broadcast_to(b, shape)};
}

// Stretches two operands of different shapes to their common one, so that the ops below see equal
// shapes only and broadcast_to's vjp is the one place where gradients are summed back.
template <Scalar T>
inline void broadcast_operands(const char* op, Var<T>& a, Var<T>& b) {
  if (a.shape() != b.shape()) std::tie(a, b) = stretch(op, a, b);
}

}  // namespace

template <Scalar T>
Var<T> add(Var<T> a, Var<T> b) {
  broadcast_operands("add", a, b);
  auto y = a.tape().record("add", a.shape(), {a, b});
  apply<T>(loops<T>().add, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().copy, dy, a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().copy, dy, b.grad());
  });
}

template <Scalar T>
Var<T> sub(Var<T> a, Var<T> b) {
  broadcast_operands("sub", a, b);
  auto y = a.tape().record("sub", a.shape(), {a, b});
  apply<T>(loops<T>().subtract, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().copy, dy, a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().negate, dy, b.grad());
  });
}

template <Scalar T>
Var<T> mul(Var<T> a, Var<T> b) {
  broadcast_operands("mul", a, b);
  auto y = a.tape().record("mul", a.shape(), {a, b});
  apply<T>(loops<T>().multiply, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().multiply, dy, b.value(), a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().multiply, dy, a.value(), b.grad());
  });
}

template <Scalar T>
Var<T> div(Var<T> a, Var<T> b) {
  broadcast_operands("div", a, b);
  auto y = a.tape().record("div", a.shape(), {a, b});
  apply<T>(loops<T>().divide, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().divide, dy, b.value(), a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().divide_vjp, dy, y.value(), b.value(), b.grad());
  });
}

template <Scalar T>
Var<T> pow(Var<T> a, Var<T> b) {
  broadcast_operands("pow", a, b);
  auto y = a.tape().record("pow", a.shape(), {a, b});
  apply<T>(loops<T>().pow, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().pow_base_vjp, dy, a.value(), b.value(), a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().pow_exponent_vjp, dy, y.value(), a.value(), b.grad());
  });
}

template <Scalar T>
Var<T> maximum(Var<T> a, Var<T> b) {
  broadcast_operands("maximum", a, b);
  auto y = a.tape().record("maximum", a.shape(), {a, b});
  apply<T>(loops<T>().maximum, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().maximum_vjp, dy, a.value(), b.value(), a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().maximum_vjp, dy, b.value(), a.value(), b.grad());
  });
}

template <Scalar T>
Var<T> minimum(Var<T> a, Var<T> b) {
  broadcast_operands("minimum", a, b);
  auto y = a.tape().record("minimum", a.shape(), {a, b});
  apply<T>(loops<T>().minimum, a.value(), b.value(), y.out());
  // Where one operand is the larger, the other is the smaller.
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) apply<T>(loops<T>().maximum_vjp, dy, b.value(), a.value(), a.grad());
    if (b.needs_grad()) apply<T>(loops<T>().maximum_vjp, dy, a.value(), b.value(), b.grad());
  });
}

template <Scalar T>
Var<T> scale(Var<T> x, std::type_identity_t<T> k) {
  auto y = x.tape().record("scale", x.shape(), {x});
  apply<T>(loops<T>().scale, k, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().scale, k, dy, x.grad()); });
}

template <Scalar T>
Var<T> div(Var<T> x, std::type_identity_t<T> k) {
  auto y = x.tape().record("div", x.shape(), {x});
  apply<T>(loops<T>().quotient, k, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().quotient, k, dy, x.grad()); });
}

template <Scalar T>
Var<T> shift(Var<T> x, std::type_identity_t<T> k) {
  auto y = x.tape().record("shift", x.shape(), {x});
  apply<T>(loops<T>().shift, k, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().copy, dy, x.grad()); });
}

template <Scalar T>
Var<T> neg(Var<T> x) {
  auto y = x.tape().record("neg", x.shape(), {x});
  apply<T>(loops<T>().negate, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { apply<T>(loops<T>().negate, dy, x.grad()); });
}

#define TAPEGRAD_LIST(T)                                  \
  template Var<T> add(Var<T>, Var<T>);                    \
  template Var<T> sub(Var<T>, Var<T>);                    \
  template Var<T> mul(Var<T>, Var<T>);                    \
  template Var<T> div(Var<T>, Var<T>);                    \
  template Var<T> pow(Var<T>, Var<T>);                    \
  template Var<T> maximum(Var<T>, Var<T>);                \
  template Var<T> minimum(Var<T>, Var<T>);                \
  template Var<T> scale(Var<T>, std::type_identity_t<T>); \
  template Var<T> div(Var<T>, std::type_identity_t<T>);   \
  template Var<T> shift(Var<T>, std::type_identity_t<T>); \
  template Var<T> neg(Var<T>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
