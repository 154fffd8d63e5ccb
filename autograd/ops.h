// The differentiable operations. Each is one function: its value in plain code, its vjp beside it
// (ops_*.cpp). dy is the loss's gradient with respect to the op's value, dx what an operand
// receives.
//
// All throw ShapeError when shapes do not fit and GradError when operands are on different tapes.
// Zero sizes are allowed everywhere.
#pragma once

#include <span>

#include "autograd/tape.h"

namespace tapegrad {

// ---- arithmetic, elementwise; operands of different shapes broadcast by NumPy's rules ----

/// y = a + b.  da = dy, db = dy.
template <Scalar T>
Var<T> add(Var<T> a, Var<T> b);

/// y = a - b.  da = dy, db = -dy.
template <Scalar T>
Var<T> sub(Var<T> a, Var<T> b);

/// y = a b.  da = dy b, db = dy a.
template <Scalar T>
Var<T> mul(Var<T> a, Var<T> b);

/// y = a / b.  da = dy / b, db = -dy y / b.
template <Scalar T>
Var<T> div(Var<T> a, Var<T> b);

/// y = k x.  dx = k dy.
template <Scalar T>
Var<T> scale(Var<T> x, std::type_identity_t<T> k);

/// y = x + k.  dx = dy.
template <Scalar T>
Var<T> shift(Var<T> x, std::type_identity_t<T> k);

/// y = -x.  dx = -dy.
template <Scalar T>
Var<T> neg(Var<T> x);

// ---- functions, elementwise ----

/// y = e^x.  dx = dy y.
template <Scalar T>
Var<T> exp(Var<T> x);

/// y = ln x; NaN for x < 0.  dx = dy / x.
template <Scalar T>
Var<T> log(Var<T> x);

/// y = x^(1/2); NaN for x < 0.  dx = dy / (2 y).
template <Scalar T>
Var<T> sqrt(Var<T> x);

/// y = x^2.  dx = 2 x dy.
template <Scalar T>
Var<T> square(Var<T> x);

/// y = tanh x.  dx = dy (1 - y^2).
template <Scalar T>
Var<T> tanh(Var<T> x);

/// y = 1 / (1 + e^-x).  dx = dy y (1 - y).
template <Scalar T>
Var<T> sigmoid(Var<T> x);

/// y = max(x, 0).  dx = dy where x > 0, else 0 (also at x = 0).
template <Scalar T>
Var<T> relu(Var<T> x);

// ---- reductions ----

/// y = sum of all elements, rank 0.  dx = dy everywhere.
template <Scalar T>
Var<T> sum(Var<T> x);

/// y = sum over one axis (-1 is the last); the axis is removed, or kept with size 1 when `keepdim`.
/// dx = dy repeated along the axis.
template <Scalar T>
Var<T> sum(Var<T> x, int axis, bool keepdim = false);

/// y = mean of all elements, rank 0; NaN when there are none.  dx = dy / x.size() everywhere.
template <Scalar T>
Var<T> mean(Var<T> x);

/// y = mean over one axis, as sum(x, axis, keepdim) / x.shape()[axis].
template <Scalar T>
Var<T> mean(Var<T> x, int axis, bool keepdim = false);

// ---- shape ----

/// The same numbers in row-major order under another shape of the same size.  dx = dy reshaped
/// back.
template <Scalar T>
Var<T> reshape(Var<T> x, const Shape& shape);

/// y[j, i] = x[i, j] for a matrix.  dx = dy transposed.
template <Scalar T>
Var<T> transpose(Var<T> x);

/// x repeated along its axes of size 1, and along new leading axes, to `shape` (NumPy's rules).
/// dx = dy summed over the repeated axes.
template <Scalar T>
Var<T> broadcast_to(Var<T> x, const Shape& shape);

// ---- products ----

/// y = a b: a [..., m, k], b [..., k, n] -> [..., m, n]; leading axes broadcast.
/// da = dy b^T, db = a^T dy.
template <Scalar T>
Var<T> matmul(Var<T> a, Var<T> b);

/// y = x w^T + b: x [N, in], w [out, in], b [out] -> [N, out].
/// dx = dy w, dw = dy^T x, db = column sums of dy.
template <Scalar T>
Var<T> linear(Var<T> x, Var<T> w, Var<T> b);

// ---- classification; classes lie along the last axis ----

/// y = e^x / sum e^x, computed from x - max x.  dx = y (dy - sum dy y).
template <Scalar T>
Var<T> softmax(Var<T> x);

/// y = x - ln sum e^x, computed from x - max x.  dx = dy - e^y sum dy.
template <Scalar T>
Var<T> log_softmax(Var<T> x);

/// The mean over the batch of -ln softmax(logits)[n, label_n], rank 0: logits [N, C], labels N
/// numbers in [0, C).  dlogits = dy (softmax(logits) - onehot(labels)) / N.
/// Throws ShapeError also for a label out of range.
template <Scalar T>
Var<T> softmax_cross_entropy(Var<T> logits, std::span<const std::int32_t> labels);

// ---- operators ----

template <Scalar T>
Var<T> operator+(Var<T> a, Var<T> b) {
  return add(a, b);
}
template <Scalar T>
Var<T> operator-(Var<T> a, Var<T> b) {
  return sub(a, b);
}
template <Scalar T>
Var<T> operator*(Var<T> a, Var<T> b) {
  return mul(a, b);
}
template <Scalar T>
Var<T> operator/(Var<T> a, Var<T> b) {
  return div(a, b);
}
template <Scalar T>
Var<T> operator-(Var<T> x) {
  return neg(x);
}
template <Scalar T>
Var<T> operator+(Var<T> x, std::type_identity_t<T> k) {
  return shift(x, k);
}
template <Scalar T>
Var<T> operator+(std::type_identity_t<T> k, Var<T> x) {
  return shift(x, k);
}
template <Scalar T>
Var<T> operator-(Var<T> x, std::type_identity_t<T> k) {
  return shift(x, -k);
}
template <Scalar T>
Var<T> operator-(std::type_identity_t<T> k, Var<T> x) {
  return shift(neg(x), k);
}
template <Scalar T>
Var<T> operator*(Var<T> x, std::type_identity_t<T> k) {
  return scale(x, k);
}
template <Scalar T>
Var<T> operator*(std::type_identity_t<T> k, Var<T> x) {
  return scale(x, k);
}
template <Scalar T>
Var<T> operator/(Var<T> x, std::type_identity_t<T> k) {
  return scale(x, T(1) / k);
}
template <Scalar T>
Var<T> operator/(std::type_identity_t<T> k, Var<T> x) {
  return div(x.tape().constant(k), x);
}

}  // namespace tapegrad
