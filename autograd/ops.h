// The differentiable operations. Each is one function: its value in plain code, its vjp beside it
// (ops_*.cpp). dy is the loss's gradient with respect to the op's value, dx what an operand
// receives.
//
// All throw ShapeError when shapes do not fit and GradError when operands are on different tapes.
// Zero sizes are allowed everywhere.
#pragma once

#include <concepts>
#include <span>
#include <vector>

#include "autograd/tape.h"
#include "tensor/random.h"

namespace tapegrad {

/// One axis, counted from the front, or from the end with -1 for the last. Made of whole numbers
/// alone: max(x, 0.5), which would be maximum's business, and sum(x, true) do not compile.
class Axis {
 public:
  template <std::integral I>
  requires(!std::same_as<I, bool>) constexpr Axis(I axis) : axis_(static_cast<int>(axis)) {}
  constexpr operator int() const { return axis_; }

 private:
  int axis_;
};

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

/// y = x / k.  dx = dy / k.
template <Scalar T>
Var<T> div(Var<T> x, std::type_identity_t<T> k);

/// y = x + k.  dx = dy.
template <Scalar T>
Var<T> shift(Var<T> x, std::type_identity_t<T> k);

/// y = -x.  dx = -dy.
template <Scalar T>
Var<T> neg(Var<T> x);

/// y = a^b.  da = dy b a^(b-1), db = dy y ln a, both 0 where 0^0 would make them undefined. Smooth
/// for a > 0. For a < 0 it is a number for whole b only, and db is NaN; at a = 0 <= b, db is 0.
template <Scalar T>
Var<T> pow(Var<T> a, Var<T> b);

/// y = max(a, b); NaN when either is.  da = dy where a > b, db = dy where b > a, dy / 2 each where
/// they are equal.
template <Scalar T>
Var<T> maximum(Var<T> a, Var<T> b);

/// y = min(a, b); NaN when either is.  da = dy where a < b, db = dy where b < a, dy / 2 each where
/// they are equal.
template <Scalar T>
Var<T> minimum(Var<T> a, Var<T> b);

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

/// y = |x|.  dx = dy sign x, 0 at x = 0.
template <Scalar T>
Var<T> abs(Var<T> x);

/// y = sin x.  dx = dy cos x.
template <Scalar T>
Var<T> sin(Var<T> x);

/// y = cos x.  dx = -dy sin x.
template <Scalar T>
Var<T> cos(Var<T> x);

/// y = ln(1 + e^x), computed as max(x, 0) + ln(1 + e^-|x|).  dx = dy / (1 + e^-x).
template <Scalar T>
Var<T> softplus(Var<T> x);

/// y = x F(x), F the standard normal's distribution function (the exact form, not the tanh
/// approximation).  dx = dy (F(x) + x F'(x)). Source: Hendrycks & Gimpel 2016.
template <Scalar T>
Var<T> gelu(Var<T> x);

/// y = x where x > 0, else slope x.  dx = dy where x > 0, else slope dy (also at x = 0).
template <Scalar T>
Var<T> leaky_relu(Var<T> x, double slope = 0.01);

/// y = 1 / x.  dx = -dy y^2.
template <Scalar T>
Var<T> reciprocal(Var<T> x);

/// y = x^k.  dx = dy k x^(k-1), 0 for k = 0. NaN for x < 0 unless k is a whole number.
template <Scalar T>
Var<T> pow(Var<T> x, double k);

/// y = min(max(x, low), high), infinite bounds allowed.  dx = dy where low <= x <= high, bounds
/// included, else 0. Throws OptionError unless low <= high.
template <Scalar T>
Var<T> clamp(Var<T> x, double low, double high);

/// y = x / (1 - p) where a draw from `key`, uniform on [0, 1), is at least p, else 0: zero with
/// probability p, the same expectation. Which ones is a pure function of `key` and the element's
/// place, in every scalar type; give each call a key of its own (rng.split()).
/// dx = dy / (1 - p) at the same places, else 0.
/// Throws OptionError unless 0 <= p < 1. Source: Srivastava et al. 2014, inverted.
template <Scalar T>
Var<T> dropout(Var<T> x, double p, Rng key);

// ---- reductions ----

/// y = sum of all elements, rank 0.  dx = dy everywhere.
template <Scalar T>
Var<T> sum(Var<T> x);

/// y = sum over one axis (-1 is the last); the axis is removed, or kept with size 1 when `keepdim`.
/// dx = dy repeated along the axis.
template <Scalar T>
Var<T> sum(Var<T> x, Axis axis, bool keepdim = false);

/// y = mean of all elements, rank 0; NaN when there are none.  dx = dy / x.size() everywhere.
template <Scalar T>
Var<T> mean(Var<T> x);

/// y = mean over one axis, as sum(x, axis, keepdim) / x.shape()[axis].
template <Scalar T>
Var<T> mean(Var<T> x, Axis axis, bool keepdim = false);

/// y = the largest of all elements, rank 0; NaN when there is one, -infinity when there is nothing.
/// dx = dy at the largest (the first in row-major order, on ties), else 0.
template <Scalar T>
Var<T> max(Var<T> x);

/// y = the largest along one axis; the axis is removed, or kept with size 1 when `keepdim`.
/// dx = dy at the largest (the first along the axis, on ties), else 0.
template <Scalar T>
Var<T> max(Var<T> x, Axis axis, bool keepdim = false);

/// y = mean (x - mean x)^2 of all elements, rank 0: the variance, divided by n; NaN when there is
/// nothing.  dx = 2 dy (x - mean x) / n.
template <Scalar T>
Var<T> var(Var<T> x);

/// y = the variance (divided by n) along one axis, which is removed, or kept with size 1 when
/// `keepdim`.
template <Scalar T>
Var<T> var(Var<T> x, Axis axis, bool keepdim = false);

/// y = ln sum e^x over all elements, computed from x - max x; -infinity when all elements are, and
/// when there is nothing.  dx = dy e^(x - y), 0 where y = -infinity.
template <Scalar T>
Var<T> logsumexp(Var<T> x);

/// y = ln sum e^x along one axis, which is removed, or kept with size 1 when `keepdim`.
template <Scalar T>
Var<T> logsumexp(Var<T> x, Axis axis, bool keepdim = false);

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

/// Axis i of y is axis axes[i] of x (-1 is the last): permute(x, {2, 0, 1}) of [2, 3, 4] is
/// [4, 2, 3].  dx = dy permuted back. Throws ShapeError unless every axis is named once.
template <Scalar T>
Var<T> permute(Var<T> x, std::span<const int> axes);
template <Scalar T>
Var<T> permute(Var<T> x, std::initializer_list<int> axes) {
  return permute(x, std::span<const int>(axes.begin(), axes.size()));
}

/// y = x with the order along one axis reversed.  dx = dy reversed.
template <Scalar T>
Var<T> flip(Var<T> x, Axis axis);

/// y = the part of x at begin, ..., end - 1 along one axis, 0 <= begin <= end <= x.shape()[axis].
/// dx = dy there, else 0.
template <Scalar T>
Var<T> slice(Var<T> x, Axis axis, Index begin, Index end);

/// The parts one after the other along one axis; along all others their sizes must be equal. At
/// least one part.  Each part receives its slice of dy.
template <Scalar T>
Var<T> concat(std::span<const Var<T>> parts, Axis axis);
template <Scalar T>
Var<T> concat(std::initializer_list<Var<T>> parts, Axis axis) {
  return concat(std::span<const Var<T>>(parts.begin(), parts.size()), axis);
}
template <Scalar T>
Var<T> concat(const std::vector<Var<T>>& parts, Axis axis) {
  return concat(std::span<const Var<T>>(parts), axis);
}

/// The parts, all of one shape, side by side along a new axis: `axis` counts the axes of the result
/// (-1 is its last). At least one part.  Each part receives its slice of dy.
template <Scalar T>
Var<T> stack(std::span<const Var<T>> parts, Axis axis);
template <Scalar T>
Var<T> stack(std::initializer_list<Var<T>> parts, Axis axis) {
  return stack(std::span<const Var<T>>(parts.begin(), parts.size()), axis);
}
template <Scalar T>
Var<T> stack(const std::vector<Var<T>>& parts, Axis axis) {
  return stack(std::span<const Var<T>>(parts), axis);
}

/// y[i, ...] = x[indices[i], ...], x [n, ...] -> [indices.size(), ...]: with x [words, dimensions],
/// an embedding's lookup. The indices are copied.  dx[j, ...] = sum of dy[i, ...] over all i with
/// indices[i] = j. Throws ShapeError also for an index outside [0, n).
template <Scalar T>
Var<T> gather_rows(Var<T> x, std::span<const std::int32_t> indices);

// ---- products ----

/// y = a b: a [..., m, k], b [..., k, n] -> [..., m, n]; leading axes broadcast. With a single
/// matrix b it is one product of all of a's rows.
/// da = dy b^T, db = a^T dy.
template <Scalar T>
Var<T> matmul(Var<T> a, Var<T> b);

/// y = x w^T + b, row by row: x [..., in], w [out, in], b [out] -> [..., out].
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

// ---- losses; rank 0, NaN for an empty batch; labels and targets are copied ----

/// The mean over the batch of -ln softmax(logits)[n, label_n], rank 0: logits [N, C], labels N
/// numbers in [0, C).  dlogits = dy (softmax(logits) - onehot(labels)) / N.
/// Throws ShapeError also for a label out of range.
template <Scalar T>
Var<T> softmax_cross_entropy(Var<T> logits, std::span<const std::int32_t> labels);

/// The mean over the batch of -sum_c t[n, c] ln softmax(logits)[n, c]: logits and targets t [N, C].
/// A row of targets need not sum to one.  dlogits = dy (softmax(logits) sum_c t - t) / N.
template <Scalar T>
Var<T> softmax_cross_entropy(Var<T> logits, std::type_identity_t<View<const T>> targets);

/// The multi-class hinge, the mean over the batch of sum_{j != y_n} max(0, 1 + s[n, j] - s[n,
/// y_n]): scores s [N, C], labels N numbers y_n in [0, C).  ds[n, j] = dy / N where the max is
/// above 0, else 0 (also at the kink); ds[n, y_n] = -dy / N times how many are. Throws ShapeError
/// also for a label out of range.
template <Scalar T>
Var<T> multiclass_hinge(Var<T> scores, std::span<const std::int32_t> labels);

/// The mean over all elements of -t ln sigmoid(x) - (1 - t) ln(1 - sigmoid(x)), computed as
/// max(x, 0) - x t + ln(1 + e^-|x|): logits x and targets t of one shape, t usually in [0, 1].
/// dx = dy (sigmoid(x) - t) / x.size().
template <Scalar T>
Var<T> binary_cross_entropy_with_logits(Var<T> logits, std::type_identity_t<View<const T>> targets);

/// The mean over all elements of (a - b)^2: a and b of one shape, nothing broadcasts.
/// da = 2 dy (a - b) / a.size(), db = -da.
template <Scalar T>
Var<T> mse(Var<T> a, Var<T> b);

// ---- normalization ----

/// Where batch_norm leaves what it measured: mean and variance (divided by n) of every channel.
/// They are valid until the tape ends.
template <Scalar T>
struct BatchStatistics {
  View<const T> mean, var;
};

/// y = gamma (x - mean) / (var + eps)^(1/2) + beta: x [N, C] or [N, C, H, W], gamma and beta [C];
/// mean and var (divided by n) are those of each channel over this batch.
/// With xhat = (y - beta) / gamma and m the mean over a channel's elements: dgamma and dbeta are
/// the sums of dy xhat and dy over a channel's elements, dx = gamma (dy - m(dy) - xhat m(dy xhat))
/// / (var + eps)^(1/2). A channel of one element is 0 before gamma and beta, if eps > 0; a
/// constant one with eps = 0 is NaN. `measured`, unless null, is told the mean and variance. Throws
/// OptionError for eps < 0. Source: Ioffe & Szegedy 2015, algorithm 1.
template <Scalar T>
Var<T> batch_norm(Var<T> x, Var<T> gamma, Var<T> beta, double eps = 1e-5,
                  BatchStatistics<T>* measured = nullptr);

/// The same with given mean and var [C], as in evaluation: an affine function of x.
/// dx = gamma dy / (var + eps)^(1/2).
template <Scalar T>
Var<T> batch_norm(Var<T> x, Var<T> gamma, Var<T> beta, std::type_identity_t<View<const T>> mean,
                  std::type_identity_t<View<const T>> var, double eps = 1e-5);

/// y = gamma (x - mean) / (var + eps)^(1/2) + beta: x [..., D], gamma and beta [D]; mean and var
/// (divided by D) are those of each row along the last axis.
/// dgamma and dbeta are the sums of dy xhat and dy over the rows; with g = gamma dy and m the mean
/// over a row, dx = (g - m(g) - xhat m(g xhat)) / (var + eps)^(1/2).
/// Throws OptionError for eps < 0. Source: Ba, Kiros & Hinton 2016, equation 3.
template <Scalar T>
Var<T> layer_norm(Var<T> x, Var<T> gamma, Var<T> beta, double eps = 1e-5);

// ---- images: [N, C, H, W] ----

/// How far a window moves, and how many zeros stand around the image.
struct Conv2dOptions {
  Index stride = 1;
  Index padding = 0;
};

/// y[n, o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[n, c, s i + u - p, s j + v - p], x
/// being 0 outside the image (a cross-correlation, as everywhere in this field): x [N, Cin, H, W],
/// w [Cout, Cin, kh, kw], b [Cout] -> [N, Cout, (H + 2p - kh) / s + 1, (W + 2p - kw) / s + 1],
/// rounded down, for stride s >= 1 and padding p >= 0.
/// dx, dw: the same sum read backwards, over every y that x (or w) enters; db = sums of dy over
/// n, i, j. Throws OptionError for a stride or padding out of range.
template <Scalar T>
Var<T> conv2d(Var<T> x, Var<T> w, Var<T> b, Conv2dOptions options = {});

/// y = the largest number of every size x size window, the windows `stride` apart:
/// x [N, C, H, W] -> [N, C, (H - size) / stride + 1, (W - size) / stride + 1], rounded down, so
/// rows and columns that fill no window are left out. NaN when the window holds one. dx = dy at the
/// window's largest number (the first in row-major order, on ties), else 0. Throws OptionError for
/// a size or stride below 1.
template <Scalar T>
Var<T> max_pool2d(Var<T> x, Index size, Index stride);

/// y = the mean of every window; shapes and errors as max_pool2d.
/// dx = dy / size^2 at every number of the window.
template <Scalar T>
Var<T> avg_pool2d(Var<T> x, Index size, Index stride);

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
  return div(x, k);
}
template <Scalar T>
Var<T> operator/(std::type_identity_t<T> k, Var<T> x) {
  return div(x.tape().constant(k), x);
}

}  // namespace tapegrad
