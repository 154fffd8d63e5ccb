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

// Loops over the rows of a [rows, cols] matrix.
template <class T>
using RowsLoop = void (*)(Index rows, Index cols, const T* x, T* out, bool fresh);
template <class T>
using RowsBinaryLoop = void (*)(Index rows, Index cols, const T* x, const T* y, T* out, bool fresh);

/// What the differentiable ops are made of, for every scalar type.
template <class T>
struct Loops {
  const char* instruction_set;

  UnaryLoop<T> copy, negate, exp, log, sqrt, square, tanh, sigmoid, relu;
  ScalarLoop<T> scale, shift;
  BinaryLoop<T> add, subtract, multiply, divide;
  BinaryLoop<T> sqrt_vjp, square_vjp, tanh_vjp, sigmoid_vjp, relu_vjp;
  TernaryLoop<T> divide_vjp;

  T (*sum)(Index n, const T* x);
  RowsLoop<T> row_sums, column_sums, repeat_columns, softmax, log_softmax;
  RowsBinaryLoop<T> softmax_vjp, log_softmax_vjp;
  T (*cross_entropy)(Index rows, Index cols, const T* logits, const std::int32_t* labels, T* p);
  void (*cross_entropy_vjp)(Index rows, Index cols, T scale, const T* p, const std::int32_t* labels,
                            T* dx, bool fresh);
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

/// What moving parameters and reading images is made of, for plain numbers.
template <class T>
struct TrainingLoops {
  double (*sum_squares)(Index n, const T* x);
  void (*decode)(Index n, const std::uint8_t* bytes, const T* scale, const T* shift, T* out);
  void (*descend)(Index n, const UpdateRule<T>& rule, const T* g, T* w);
  void (*descend_with_momentum)(Index n, const UpdateRule<T>& rule, const T* g, T* velocity, T* w);
};

namespace baseline {
template <class T>
const Loops<T>& loops();
template <class T>
const TrainingLoops<T>& training_loops();
}  // namespace baseline
namespace v3 {
template <class T>
const Loops<T>& loops();
template <class T>
const TrainingLoops<T>& training_loops();
}  // namespace v3
namespace v4 {
template <class T>
const Loops<T>& loops();
template <class T>
const TrainingLoops<T>& training_loops();
}  // namespace v4

}  // namespace tapegrad::kernels
