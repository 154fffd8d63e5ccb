// Loops over views: what the differentiable ops, the optimizers and the loaders are made of. Shapes
// are checked by the callers, who know the op's name; here they are asserted.
#pragma once

#include "tensor/loops.h"
#include "tensor/view.h"

namespace tapegrad::kernels {

/// The loops compiled for the best instruction set this processor runs.
template <Scalar T>
const Loops<T>& choose_loops();

/// The same, chosen once, at the first call.
template <Scalar T>
const Loops<T>& loops() {
  static const Loops<T>& best = choose_loops<T>();
  return best;
}
template <Real T>
const TrainingLoops<T>& training_loops();

// ---- elementwise: every view has the target's size ----

template <Scalar T>
void apply(UnaryLoop<T> f, const View<const T>& x, const Target<T>& out) {
  assert(x.size() == out.to.size());
  f(out.to.size(), x.data(), out.to.data(), out.fresh);
}

template <Scalar T>
void apply(ScalarLoop<T> f, std::type_identity_t<T> k, const View<const T>& x,
           const Target<T>& out) {
  assert(x.size() == out.to.size());
  f(out.to.size(), k, x.data(), out.to.data(), out.fresh);
}

template <Scalar T>
void apply(BinaryLoop<T> f, const View<const T>& x, const View<const T>& y, const Target<T>& out) {
  assert(x.size() == out.to.size() && y.size() == out.to.size());
  f(out.to.size(), x.data(), y.data(), out.to.data(), out.fresh);
}

template <Scalar T>
void apply(TernaryLoop<T> f, const View<const T>& x, const View<const T>& y, const View<const T>& z,
           const Target<T>& out) {
  assert(x.size() == out.to.size() && y.size() == out.to.size() && z.size() == out.to.size());
  f(out.to.size(), x.data(), y.data(), z.data(), out.to.data(), out.fresh);
}

template <Scalar T>
void apply(ScalarBinaryLoop<T> f, std::type_identity_t<T> k, const View<const T>& x,
           const View<const T>& y, const Target<T>& out) {
  assert(x.size() == out.to.size() && y.size() == out.to.size());
  f(out.to.size(), k, x.data(), y.data(), out.to.data(), out.fresh);
}

/// Every element = k, or += k.
template <Scalar T>
void fill(T k, const Target<T>& out);

/// Whether no number is NaN or infinite; of Duals, no value and no tangent.
template <Scalar T>
bool all_finite(const View<const T>& x) {
  return loops<T>().all_finite(x.size(), x.data());
}

// ---- shape ----

/// Repeats x along the axes where it has size 1 or none: x broadcasts to the target's shape.
template <Scalar T>
void broadcast(View<const T> x, Target<T> out);

/// The reverse: sums x over every axis that broadcasting the target to x's shape would repeat.
template <Scalar T>
void reduce_to(View<const T> x, Target<T> out);

/// out[j, i] = x[i, j].
template <Scalar T>
void transpose(View<const T> x, Target<T> out);

/// Sum over one axis; the target has x's shape with that axis removed or of size 1.
template <Scalar T>
void sum_axis(View<const T> x, int axis, Target<T> out);

/// The reverse: repeats x, which has the target's shape with that axis removed or of size 1.
template <Scalar T>
void repeat_axis(View<const T> x, int axis, Target<T> out);

// ---- moving numbers ----

/// x's shape as [outer, n, inner] around one axis.
AxisSplit split_axis(const Shape& shape, int axis);

/// `count` blocks of `length` numbers each, the next one `step` numbers further on.
template <class T>
struct Blocks {
  T* first;
  Index step;
};

/// Each block of `to` = that of `from`, or += when not fresh.
template <Scalar T>
void copy_blocks(Index count, Index length, Blocks<const T> from, Blocks<T> to, bool fresh);

/// Axis i of the target is axis axes[i] of x.
template <Scalar T>
void permute(View<const T> x, std::span<const int> axes, Target<T> out);

/// x with the order along one axis reversed.
template <Scalar T>
void flip(View<const T> x, int axis, Target<T> out);

/// out[i] = x[indices[i]], rows along the first axis.
template <Scalar T>
void gather_rows(View<const T> x, std::span<const std::int32_t> indices, Target<T> out);

/// The reverse: out[indices[i]] += x[i], from zero when fresh.
template <Scalar T>
void scatter_rows(View<const T> x, std::span<const std::int32_t> indices, Target<T> out);

// ---- rows of a matrix; further leading axes count as rows ----

/// A loop over the rows of x, along its last axis.
template <Scalar T>
void apply_rows(RowsLoop<T> f, View<const T> x, Target<T> out);
template <Scalar T>
void apply_rows(RowsBinaryLoop<T> f, View<const T> x, View<const T> y, Target<T> out);

// ---- products ----

enum class Op : bool { none, transpose };

/// out = op(a) op(b) for matrices: op(a) [m, k], op(b) [k, n], out [m, n].
template <Scalar T>
void gemm(Op op_a, Op op_b, View<const T> a, View<const T> b, Target<T> out);

/// w -= lr (a^T b + weight_decay w), the bits of gemm and TrainingLoops::descend, without writing
/// the product anywhere: a [k, m], b [k, n], w [m, n], of shapes that can_descend_along.
void descend_along(View<const float> a, View<const float> b, Descent by, View<float> w);

/// Whether there is a loop for that, and no faster way, for a and b of these shapes.
bool can_descend_along(const Shape& a, const Shape& b);

/// out = x w^T + b: x [N, in], w [out, in], b [out].
template <Scalar T>
void linear(View<const T> x, View<const T> w, View<const T> b, Target<T> out);

}  // namespace tapegrad::kernels
