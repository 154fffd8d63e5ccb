// Private to tensor/loops.cpp: loops along one axis of an [outer, n, inner] array. What is reduced
// to is [outer, inner]. Internal to the instruction set's namespace, as loops_functions.h is.
#pragma once

#include "tensor/loops.h"
#include "tensor/loops_functions.h"

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// out[i] = sum_k term(index of [k, i] in an [n, inner] block, i)
template <class T, class F>
inline void sum_block(Index n, Index inner, T* __restrict out, F term) {
  if (inner == 1) {
    out[0] = reduce<T>(n, [=](Index k) { return term(k, Index{0}); });
    return;
  }
  sum_rows(n, inner, out, true, [=](Index k, Index i) { return term(k * inner + i, i); });
}

// f(index of [k, i] in an [n, inner] block, i) for every element
template <class F>
inline void for_each_in_block(Index n, Index inner, F f) {
  if (inner == 1) {
    for (Index k = 0; k < n; ++k) f(k, Index{0});
    return;
  }
  for (Index k = 0; k < n; ++k) {
    for (Index i = 0; i < inner; ++i) f(k * inner + i, i);
  }
}

// y[o, i] = max_k x[o, k, i], -infinity when n is 0, and in `at` the first k that has it. The first
// NaN counts as the largest.
template <class T>
void max_axis(AxisSplit s, const T* x, T* __restrict y, Index* __restrict at) {
  for (Index o = 0; o < s.outer; ++o, x += s.n * s.inner, y += s.inner, at += s.inner) {
    for (Index i = 0; i < s.inner; ++i) {
      y[i] = s.n > 0 ? x[i] : T(-HUGE_VAL);
      at[i] = 0;
    }
    for (Index k = 1; k < s.n; ++k) {
      const T* row = x + k * s.inner;
      for (Index i = 0; i < s.inner; ++i) {
        const bool wins = row[i] > y[i] || (row[i] != row[i] && y[i] == y[i]);
        at[i] = wins ? k : at[i];
        y[i] = wins ? row[i] : y[i];
      }
    }
  }
}

// dx[o, k, i] = dy[o, i] where k is `at`, else 0
template <class T>
void max_axis_vjp(AxisSplit s, const T* dy, const Index* at, T* __restrict dx, bool fresh) {
  if (fresh) {
    for (Index i = 0; i < s.outer * s.n * s.inner; ++i) dx[i] = 0;
  }
  if (s.n == 0) return;
  for (Index o = 0; o < s.outer; ++o, dy += s.inner, at += s.inner, dx += s.n * s.inner) {
    for (Index i = 0; i < s.inner; ++i) dx[at[i] * s.inner + i] += dy[i];
  }
}

// y = mean over k of (x - mean)^2, leaving the means
template <class T>
void var_axis(AxisSplit s, const T* x, T* __restrict mean, T* __restrict y) {
  const T n = T(static_cast<double>(s.n));
  for (Index o = 0; o < s.outer; ++o, x += s.n * s.inner, mean += s.inner, y += s.inner) {
    sum_block(s.n, s.inner, mean, [=](Index j, Index) { return x[j]; });
    for (Index i = 0; i < s.inner; ++i) mean[i] /= n;
    const T* centre = mean;
    sum_block(s.n, s.inner, y, [=](Index j, Index i) {
      const T d = x[j] - centre[i];
      return d * d;
    });
    for (Index i = 0; i < s.inner; ++i) y[i] /= n;
  }
}

// dx = dy 2 (x - mean) / n
template <class T>
void var_axis_vjp(AxisSplit s, const T* dy, const T* x, const T* mean, T* __restrict dx,
                  bool fresh) {
  const T share = T(2) / T(static_cast<double>(s.n));
  for (Index o = 0; o < s.outer; ++o) {
    for_each_in_block(s.n, s.inner, [=](Index j, Index i) {
      put(dx[j], dy[i] * share * (x[j] - mean[i]), fresh);
    });
    dy += s.inner;
    mean += s.inner;
    x += s.n * s.inner;
    dx += s.n * s.inner;
  }
}

// base[i] = the largest of a block's column where that is finite, else 0, which leaves infinities
// and NaN to the sum.
template <class T>
inline void finite_max(Index n, Index inner, const T* x, T* __restrict base) {
  for (Index i = 0; i < inner; ++i) base[i] = T(-HUGE_VAL);
  if (inner == 1) {
    if (n > 0) base[0] = largest(n, x);
  } else {
    for (Index k = 0; k < n; ++k) {
      for (Index i = 0; i < inner; ++i) base[i] = larger(x[k * inner + i], base[i]);
    }
  }
  for (Index i = 0; i < inner; ++i) base[i] = base[i] - base[i] == T(0) ? base[i] : T(0);
}

// y = ln sum_k e^x = base + ln total, where base is max x and total the sum of e^(x - base);
// -infinity, with no tangent, when all x are. Both are kept: y itself has lost total's digits where
// base is large.
template <class T>
void logsumexp_axis(AxisSplit s, const T* x, T* __restrict base, T* __restrict total,
                    T* __restrict y) {
  for (Index o = 0; o < s.outer; ++o) {
    finite_max(s.n, s.inner, x, base);
    const T* shift = base;
    sum_block(s.n, s.inner, total, [=](Index j, Index i) { return exponential(x[j] - shift[i]); });
    for (Index i = 0; i < s.inner; ++i) {
      y[i] = total[i] == T(0) ? T(-HUGE_VAL) : base[i] + logarithm(total[i]);
    }
    x += s.n * s.inner;
    base += s.inner;
    total += s.inner;
    y += s.inner;
  }
}

// dx = dy e^(x - base) / total; 0 where y is -infinity, or infinity but x is not
template <class T>
void logsumexp_axis_vjp(AxisSplit s, const T* dy, const T* x, const T* base, const T* total,
                        T* __restrict dx, bool fresh) {
  for (Index o = 0; o < s.outer; ++o) {
    for_each_in_block(s.n, s.inner, [=](Index j, Index i) {
      const T share = exponential(x[j] - base[i]) / total[i];
      const bool none = total[i] == T(0) || (total[i] == T(HUGE_VAL) && x[j] < T(HUGE_VAL));
      put(dx[j], none ? T(0) : dy[i] * share, fresh);
    });
    dy += s.inner;
    base += s.inner;
    total += s.inner;
    x += s.n * s.inner;
    dx += s.n * s.inner;
  }
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
