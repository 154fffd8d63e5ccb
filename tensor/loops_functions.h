// Private to tensor/loops*: functions of numbers that the loops apply, for every scalar type, and
// the order in which they add. Everything is internal to the instruction set's namespace, so the
// linker can never pick a copy compiled for a newer processor than the one that runs.
#pragma once

#include <math.h>

#include "tensor/scalar.h"

// glibc has vector versions of these (libmvec, at most 4 ulp). GCC uses them when told so; clang
// has -fveclib. Special values stay right: this is not -ffast-math.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
extern "C" {
__attribute__((__simd__("notinbranch"))) float expf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float logf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float tanhf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float sinf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float cosf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float log1pf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float erfcf(float) noexcept;
__attribute__((__simd__("notinbranch"))) float powf(float, float) noexcept;
__attribute__((__simd__("notinbranch"))) double exp(double) noexcept;
__attribute__((__simd__("notinbranch"))) double log(double) noexcept;
__attribute__((__simd__("notinbranch"))) double tanh(double) noexcept;
__attribute__((__simd__("notinbranch"))) double sin(double) noexcept;
__attribute__((__simd__("notinbranch"))) double cos(double) noexcept;
__attribute__((__simd__("notinbranch"))) double log1p(double) noexcept;
__attribute__((__simd__("notinbranch"))) double erfc(double) noexcept;
__attribute__((__simd__("notinbranch"))) double pow(double, double) noexcept;
}
#endif

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

inline float exponential(float x) { return ::expf(x); }
inline double exponential(double x) { return ::exp(x); }
inline float logarithm(float x) { return ::logf(x); }
inline double logarithm(double x) { return ::log(x); }
inline float hyperbolic_tangent(float x) { return ::tanhf(x); }
inline double hyperbolic_tangent(double x) { return ::tanh(x); }
inline Dual exponential(Dual x) { return exp(x); }
inline Dual logarithm(Dual x) { return log(x); }
inline Dual hyperbolic_tangent(Dual x) { return tanh(x); }
inline Dual square_root(Dual x) { return sqrt(x); }
inline float square_root(float x) { return ::sqrtf(x); }
inline double square_root(double x) { return ::sqrt(x); }

// ---- functions of one or two numbers; a Dual's tangent is written out ----

inline float sine(float x) { return ::sinf(x); }
inline double sine(double x) { return ::sin(x); }
inline Dual sine(Dual x) { return sin(x); }

inline float cosine(float x) { return ::cosf(x); }
inline double cosine(double x) { return ::cos(x); }
inline Dual cosine(Dual x) { return cos(x); }

// 1 / (1 + e^-x). The quotient rule would give the Dual inf / inf where e^-x overflows.
template <class T>
inline T logistic(T x) {
  return T(1) / (T(1) + exponential(-x));
}
inline Dual logistic(Dual x) {
  const double y = logistic(x.value);
  return {y, x.tangent * y * (1 - y)};
}

// ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|): e^x alone overflows.
inline float softplus(float x) {
  const float size = x < 0 ? -x : x;
  return (x < 0 ? 0 : x) + ::log1pf(::expf(-size));
}
inline double softplus(double x) {
  const double size = x < 0 ? -x : x;
  return (x < 0 ? 0 : x) + ::log1p(::exp(-size));
}
inline Dual softplus(Dual x) { return {softplus(x.value), x.tangent * logistic(x.value)}; }

// The standard normal's density and distribution function; erfc keeps the lower tail's digits.
template <class T>
inline T normal_density(T x) {
  return T(0.39894228040143267794) * exponential(T(-0.5) * x * x);
}
inline float normal_cdf(float x) { return 0.5F * ::erfcf(x * -0.70710678118654752440F); }
inline double normal_cdf(double x) { return 0.5 * ::erfc(x * -0.70710678118654752440); }
inline Dual normal_cdf(Dual x) {
  return {normal_cdf(x.value), x.tangent * normal_density(x.value)};
}

// a^b. The Dual's tangent takes no logarithm of a when b is constant, so a may be negative then,
// and is 0 wherever 0^b is flat.
inline float power(float a, float b) { return ::powf(a, b); }
inline double power(double a, double b) { return ::pow(a, b); }
inline Dual power(Dual a, Dual b) {
  const double y = ::pow(a.value, b.value);
  const bool flat_in_b = b.tangent == 0 || (a.value == 0 && y <= 1);
  const double by_a = b.value == 0 ? 0 : b.value * ::pow(a.value, b.value - 1);
  const double by_b = flat_in_b ? 0 : y * ::log(a.value);
  const double along_a = a.tangent == 0 ? 0 : a.tangent * by_a;
  return {y, along_a + b.tangent * by_b};
}

// The larger number, NaN when either is; at a tie the mean of the two tangents.
template <class T>
inline T larger(T a, T b) {
  return a > b || a != a ? a : b;
}
inline Dual larger(Dual a, Dual b) {
  if (a == b) return {a.value, (a.tangent + b.tangent) / 2};
  return larger<Dual>(a, b);
}

// ---- sums ----

// What many blocks' sums are added up in, so that rounding does not grow with their number.
template <class T>
struct WideSum {
  using type = T;
};
template <>
struct WideSum<float> {
  using type = double;
};
template <class T>
using Wide = typename WideSum<T>::type;

// term(0) + ... + term(n-1) in 16 partial sums: the order is fixed, so every instruction set gives
// the same bits, and wide enough to fill the vector units.
template <class T, class F>
inline T reduce_block(Index n, F term) {
  T part[16] = {};
  Index i = 0;
  for (; i + 16 <= n; i += 16) {
    for (Index j = 0; j < 16; ++j) part[j] += term(i + j);
  }
  for (; i < n; ++i) part[i % 16] += term(i);
  for (Index width = 8; width > 0; width /= 2) {
    for (Index j = 0; j < width; ++j) part[j] += part[j + width];
  }
  return part[0];
}

// The same for any n, a block at a time.
template <class T, class F>
inline T reduce(Index n, F term) {
  constexpr Index block = 4096;
  if (n <= block) return reduce_block<T>(n, term);
  Wide<T> total = 0;
  for (Index first = 0; first < n; first += block) {
    const Index length = n - first < block ? n - first : block;
    total += reduce_block<T>(length, [=](Index i) { return term(first + i); });
  }
  return static_cast<T>(total);
}

template <class T>
inline void put(T& out, T value, bool fresh) {
  out = fresh ? value : out + value;
}

// out[c] = term(0, c) + ... + term(rows-1, c), or += when not fresh: rows one after the other, and
// some columns at a time where there are blocks of rows.
template <class T, class F>
inline void sum_rows(Index rows, Index cols, T* __restrict out, bool fresh, F term) {
  constexpr Index together = 64, block = 256;
  if (fresh && rows <= block) {
    for (Index c = 0; c < cols; ++c) out[c] = 0;
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < cols; ++c) out[c] += term(r, c);
    }
    return;
  }
  for (Index c0 = 0; c0 < cols; c0 += together) {
    const Index count = cols - c0 < together ? cols - c0 : together;
    Wide<T> totals[together];
    T sums[together];
    for (Index c = 0; c < count; ++c) totals[c] = 0;
    for (Index first = 0; first < rows; first += block) {
      const Index last = rows - first < block ? rows : first + block;
      for (Index c = 0; c < count; ++c) sums[c] = 0;
      for (Index r = first; r < last; ++r) {
        for (Index c = 0; c < count; ++c) sums[c] += term(r, c0 + c);
      }
      for (Index c = 0; c < count; ++c) totals[c] += sums[c];
    }
    for (Index c = 0; c < count; ++c) put(out[c0 + c], static_cast<T>(totals[c]), fresh);
  }
}

// NaN when any element is, so that a diverged row cannot hide.
template <class T>
inline T largest(Index n, const T* x) {
  T m = n > 0 ? x[0] : T(0);
  for (Index i = 1; i < n; ++i) m = x[i] > m || x[i] != x[i] ? x[i] : m;
  return m;
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
