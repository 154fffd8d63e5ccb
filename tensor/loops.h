// The inner loops behind tensor/kernels.h, on raw pointers. tensor/loops.cpp is compiled once per
// instruction set; each copy fills one of these tables and the best one the processor runs is used.
#pragma once

#include "tensor/scalar.h"

namespace tapegrad::kernels {

// Elementwise loops: out[i] = f(...) when fresh, else out[i] += f(...).
template <class T>
using UnaryLoop = void (*)(Index n, const T* x, T* out, bool fresh);
template <class T>
using ScalarLoop = void (*)(Index n, T k, const T* x, T* out, bool fresh);
template <class T>
using BinaryLoop = void (*)(Index n, const T* x, const T* y, T* out, bool fresh);
template <class T>
using TernaryLoop = void (*)(Index n, const T* x, const T* y, const T* z, T* out, bool fresh);

template <class T>
using ScalarBinaryLoop = void (*)(Index n, T k, const T* x, const T* y, T* out, bool fresh);
template <class T>
using RangeLoop = void (*)(Index n, T low, T high, const T* x, T* out, bool fresh);
template <class T>
using RangeBinaryLoop = void (*)(Index n, T low, T high, const T* x, const T* y, T* out,
                                 bool fresh);

// Loops over the rows of a [rows, cols] matrix.
template <class T>
using RowsLoop = void (*)(Index rows, Index cols, const T* x, T* out, bool fresh);
template <class T>
using RowsBinaryLoop = void (*)(Index rows, Index cols, const T* x, const T* y, T* out, bool fresh);

/// A row-major [outer, count, inner] array whose middle axis is what a loop works along: the
/// channels of an image batch, the rows or the columns of a matrix.
struct Channels {
  Index outer;
  Index count;
  Index inner;
};

/// A shape seen from one axis: an [outer, n, inner] array.
struct AxisSplit {
  Index outer;
  Index n;
  Index inner;
};

/// What the differentiable ops are made of, for every scalar type.
template <class T>
struct Loops {
  const char* instruction_set;

  UnaryLoop<T> copy, negate, exp, log, sqrt, square, tanh, sigmoid, relu;
  ScalarLoop<T> scale, shift, quotient;
  BinaryLoop<T> add, subtract, multiply, divide;
  BinaryLoop<T> sqrt_vjp, square_vjp, tanh_vjp, sigmoid_vjp, relu_vjp;
  TernaryLoop<T> divide_vjp;

  T (*sum)(Index n, const T* x);
  RowsLoop<T> row_sums, column_sums, repeat_columns, softmax, log_softmax;
  RowsBinaryLoop<T> softmax_vjp, log_softmax_vjp;
  T (*cross_entropy)(Index rows, Index cols, const T* logits, const std::int32_t* labels, T* p);
  void (*cross_entropy_vjp)(Index rows, Index cols, T scale, const T* p, const std::int32_t* labels,
                            T* dx, bool fresh);

  // further functions of one and two numbers
  UnaryLoop<T> abs, sin, cos, softplus, gelu, reciprocal;
  ScalarLoop<T> leaky_relu, pow_constant;
  BinaryLoop<T> pow, maximum, minimum;
  RangeLoop<T> clamp;
  BinaryLoop<T> abs_vjp, sin_vjp, cos_vjp, softplus_vjp, gelu_vjp, reciprocal_vjp;
  ScalarBinaryLoop<T> leaky_relu_vjp, pow_constant_vjp;
  TernaryLoop<T> pow_base_vjp, pow_exponent_vjp, maximum_vjp;
  RangeBinaryLoop<T> clamp_vjp;

  // along one axis; what is not the op's value or a gradient is kept for the vjp
  void (*max_axis)(AxisSplit s, const T* x, T* y, Index* at);
  void (*max_axis_vjp)(AxisSplit s, const T* dy, const Index* at, T* dx, bool fresh);
  void (*var_axis)(AxisSplit s, const T* x, T* mean, T* y);
  void (*var_axis_vjp)(AxisSplit s, const T* dy, const T* x, const T* mean, T* dx, bool fresh);
  void (*logsumexp_axis)(AxisSplit s, const T* x, T* base, T* total, T* y);
  void (*logsumexp_axis_vjp)(AxisSplit s, const T* dy, const T* x, const T* base, const T* total,
                             T* dx, bool fresh);

  // losses: their sums, and dx = scale * (the sum's derivative)
  T (*soft_cross_entropy)(Index rows, Index cols, const T* logits, const T* targets, T* p);
  void (*soft_cross_entropy_vjp)(Index rows, Index cols, T scale, const T* p, const T* targets,
                                 T* dx, bool fresh);
  T (*hinge)(Index rows, Index cols, const T* scores, const std::int32_t* labels);
  void (*hinge_vjp)(Index rows, Index cols, T scale, const T* scores, const std::int32_t* labels,
                    T* dx, bool fresh);
  T (*binary_cross_entropy)(Index n, const T* logits, const T* targets);
  void (*binary_cross_entropy_vjp)(Index n, T scale, const T* logits, const T* targets, T* dx,
                                   bool fresh);
  T (*squared_distance)(Index n, const T* x, const T* y);
  void (*scaled_difference)(Index n, T k, const T* x, const T* y, T* out, bool fresh);

  // normalization, channel by channel
  void (*moments)(Channels of, const T* x, T* mean, T* var);
  ScalarLoop<T> reciprocal_root;  // 1 / sqrt(x + k)
  void (*normalize)(Channels of, const T* x, const T* mean, const T* rstd, T* xhat);
  void (*normalize_vjp)(Channels of, const T* dxhat, const T* xhat, const T* rstd, T* work, T* dx,
                        bool fresh);
  void (*channel_affine)(Channels of, const T* x, const T* scale, const T* shift, T* out);
  void (*channel_scale)(Channels of, const T* x, const T* scale, T* out, bool fresh);
  void (*channel_sums)(Channels of, const T* x, T* out, bool fresh);
  void (*channel_dots)(Channels of, const T* x, const T* y, T* out, bool fresh);

  bool (*all_finite)(Index n, const T* x);  // of a Dual: the value and the tangent
};

/// One step's constants: g' = clamp(gradient_scale * g, +-clip), then + weight_decay * w.
template <class T>
struct UpdateRule {
  T lr;
  T weight_decay;
  T momentum;
  T gradient_scale;
  T clip;  // infinity when gradients are not clipped by value
  bool nesterov;
};

/// Adam's constants beside those of UpdateRule, for a parameter's t-th update. The gains are 1 -
/// beta as computed in double: in float, 1 - 0.999f is off in its fifth digit.
template <class T>
struct AdamRule {
  T beta1;
  T gain1;
  T beta2;
  T gain2;
  T epsilon;
  T step_size;        // lr / (1 - beta1^t)
  T root_correction;  // sqrt(1 - beta2^t)
  T shrink;           // what decoupled decay leaves of w: 1 - lr * weight_decay; else 1
};

/// RMSProp's; `gain` is 1 - alpha as computed in double.
template <class T>
struct RmsPropRule {
  T alpha;
  T gain;
  T epsilon;
};

/// What moving parameters and reading images is made of, for plain numbers.
template <class T>
struct TrainingLoops {
  double (*sum_squares)(Index n, const T* x);
  // out [count, n] = each image's bytes * scale + shift
  void (*decode)(Index count, Index n, const std::uint8_t* const* images, const T* scale,
                 const T* shift, T* out);
  void (*descend)(Index n, const UpdateRule<T>& rule, const T* g, T* w);
  void (*descend_with_momentum)(Index n, const UpdateRule<T>& rule, const T* g, T* velocity, T* w);
  void (*adam)(Index n, const UpdateRule<T>& rule, const AdamRule<T>& adam, const T* g, T* mean,
               T* square, T* w);
  void (*adagrad)(Index n, const UpdateRule<T>& rule, T epsilon, const T* g, T* sum, T* w);
  // `mean` is null unless the average is centered, `velocity` without momentum
  void (*rmsprop)(Index n, const UpdateRule<T>& rule, const RmsPropRule<T>& rmsprop, const T* g,
                  T* square, T* mean, T* velocity, T* w);
};

/// One step of gradient descent: w -= lr * (g + weight_decay * w).
struct Descent {
  float lr;
  float weight_decay;
};

/// A matrix product: out [m, n] = op(a) op(b), or += when not fresh, the result's rows one after
/// the other; or, with `descent`, a step of `out` along the product as its gradient. Rows of op(a)
/// are a_row apart and its columns a_column; the rows in which b is stored are b_row apart.
struct Product {
  Index m, n, k;
  const float* a;
  Index a_row, a_column;
  const float* b;
  Index b_row;
  float* out;
  Index out_row;
  bool fresh;
  bool b_transposed = false;         // for `updates`
  bool turned = true;                // for `narrow`: rows of b may be, which many rows of a pay for
  const Descent* descent = nullptr;  // for `updates`, where k <= longest_descent
};

/// Pixels of some images whose every window lies inside, as a border of zeros makes it: the first
/// pixel, how far channels, rows and windows lie apart, and a window's size. Its numbers become
/// rows of `row_length`.
struct WindowPixels {
  const float* pixels;
  Index channels, plane, row;
  Index window_height, window_width, stride;
  Index row_length;
};

/// Windows beside one another: the place of the first one's first pixel, and its column.
struct WindowRun {
  Index from, to, length;
};

/// Our own matrix products. An element's sum is added up in an order that depends on k alone, with
/// `narrow` on its column, on n and on `turned` too, so it has the same bits whatever m is and
/// wherever a product is cut into pieces, also where `updates` leaves out a's zeros; only that a -0
/// in `out` may stay one or become 0 when all terms are too small for a float. k >= 1.
struct ProductLoops {
  Index lanes;            // of a vector
  Index row_step;         // a piece of rows begins at a multiple of so many
  Index column_step;      // a piece of columns of `updates` begins at a multiple of so many
  Index tile_columns;     // of what `packed_updates` computes
  Index longest_descent;  // a longer sum is not ready at once
  // a b^T from row `first` on: b is stored [n, k], and a_column is 1
  void (*narrow)(const Product& p, Index first);
  // op(a) op(b) from column `first` on: b is stored [k, n] or, transposed, [n, k]
  void (*updates)(const Product& p, Index first);
  // all of op(a) b for n <= tile_columns: b is stored [k, tile_columns]
  void (*packed_updates)(const Product& p);
  // out [channels kh kw, row_length] = each window's numbers, in its column
  void (*pack_windows)(const WindowPixels& w, const WindowRun* runs, Index count, float* out);
};

namespace baseline {
template <class T>
const Loops<T>& loops();
template <class T>
const TrainingLoops<T>& training_loops();
/// Null where the instruction set has no fused multiply-add.
const ProductLoops* product_loops();
}  // namespace baseline
namespace v3 {
template <class T>
const Loops<T>& loops();
template <class T>
const TrainingLoops<T>& training_loops();
const ProductLoops* product_loops();
}  // namespace v3
namespace v4 {
template <class T>
const Loops<T>& loops();
template <class T>
const TrainingLoops<T>& training_loops();
const ProductLoops* product_loops();
}  // namespace v4

}  // namespace tapegrad::kernels
