// Private to tensor/loops.cpp: the losses' sums and their derivatives. Internal to the
// instruction set's namespace, as loops_functions.h is.
#pragma once

#include "tensor/loops.h"
#include "tensor/loops_functions.h"

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// -sum_rc t[r, c] ln softmax(x)[r, c], leaving the probabilities in p.
template <class T>
T soft_cross_entropy(Index rows, Index cols, const T* x, const T* t, T* __restrict p) {
  Wide<T> loss = 0;
  for (Index r = 0; r < rows; ++r, x += cols, t += cols, p += cols) {
    const T* log_p = p;
    const T m = largest(cols, x);
    for (Index c = 0; c < cols; ++c) p[c] = x[c] - m;
    const T log_total = logarithm(reduce<T>(cols, [=](Index c) { return exponential(log_p[c]); }));
    for (Index c = 0; c < cols; ++c) p[c] -= log_total;
    loss -= reduce<T>(cols, [=](Index c) { return t[c] * log_p[c]; });
    for (Index c = 0; c < cols; ++c) p[c] = exponential(p[c]);
  }
  return static_cast<T>(loss);
}

// dx = scale * (p * sum_c t - t)
template <class T>
void soft_cross_entropy_vjp(Index rows, Index cols, T scale, const T* p, const T* t,
                            T* __restrict dx, bool fresh) {
  for (Index r = 0; r < rows; ++r, p += cols, t += cols, dx += cols) {
    const T total = reduce<T>(cols, [=](Index c) { return t[c]; });
    for (Index c = 0; c < cols; ++c) put(dx[c], scale * (p[c] * total - t[c]), fresh);
  }
}

// sum_r sum_{c != y_r} max(0, 1 + s[r, c] - s[r, y_r]); NaN stays NaN.
template <class T>
T hinge(Index rows, Index cols, const T* s, const std::int32_t* labels) {
  Wide<T> total = 0;
  for (Index r = 0; r < rows; ++r, s += cols) {
    const Index label = labels[r];
    total += reduce<T>(cols, [=](Index c) {
      const T margin = T(1) + s[c] - s[label];
      return c == label || margin <= T(0) ? T(0) : margin;
    });
  }
  return static_cast<T>(total);
}

// dx[r, c] = scale where class c is inside the margin, dx[r, y_r] = -scale times how many are.
template <class T>
void hinge_vjp(Index rows, Index cols, T scale, const T* s, const std::int32_t* labels,
               T* __restrict dx, bool fresh) {
  for (Index r = 0; r < rows; ++r, s += cols, dx += cols) {
    const Index label = labels[r];
    T inside = 0;
    for (Index c = 0; c < cols; ++c) {
      const T one = c == label || T(1) + s[c] - s[label] <= T(0) ? T(0) : T(1);
      put(dx[c], scale * one, fresh);
      inside += one;
    }
    dx[label] -= scale * inside;
  }
}

// sum_i max(x, 0) - x t + ln(1 + e^-|x|), which overflows nowhere.
template <class T>
T binary_cross_entropy(Index n, const T* x, const T* t) {
  return reduce<T>(n, [=](Index i) {
    const T size = x[i] < T(0) ? -x[i] : x[i];
    const T positive = x[i] < T(0) ? T(0) : x[i];
    return positive - x[i] * t[i] + softplus(-size);
  });
}

// dx = scale * (sigmoid(x) - t)
template <class T>
void binary_cross_entropy_vjp(Index n, T scale, const T* x, const T* t, T* __restrict dx,
                              bool fresh) {
  for (Index i = 0; i < n; ++i) {
    put(dx[i], scale * (logistic(x[i]) - t[i]), fresh);
  }
}

template <class T>
T squared_distance(Index n, const T* x, const T* y) {
  return reduce<T>(n, [=](Index i) { return (x[i] - y[i]) * (x[i] - y[i]); });
}

// out = k (x - y)
template <class T>
void scaled_difference(Index n, T k, const T* x, const T* y, T* __restrict out, bool fresh) {
  for (Index i = 0; i < n; ++i) put(out[i], k * (x[i] - y[i]), fresh);
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
