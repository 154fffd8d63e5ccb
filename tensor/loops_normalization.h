// Private to tensor/loops.cpp: what normalizing channels is made of. Internal to the
// instruction set's namespace, as loops_functions.h is.
#pragma once

#include "tensor/loops.h"
#include "tensor/loops_functions.h"

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// out[c] = the sum of term(i, c) over the elements i of channel c, or += when not fresh.
// Consecutive channels when `inner` is 1, else consecutive elements of one channel, so either way
// memory is read in order.
template <class T, class F>
inline void sum_channels(Channels of, T* __restrict out, bool fresh, F term) {
  if (of.inner == 1) {
    sum_rows(of.outer, of.count, out, fresh,
             [=](Index o, Index c) { return term(o * of.count + c, c); });
  } else {
    sum_rows(of.outer, of.count, out, fresh, [=](Index o, Index c) {
      const Index first = (o * of.count + c) * of.inner;
      return reduce<T>(of.inner, [=](Index i) { return term(first + i, c); });
    });
  }
}

// Calls f(i, c) for every element i, of channel c.
template <class F>
inline void for_each_in_channels(Channels of, F f) {
  for (Index o = 0; o < of.outer; ++o) {
    const Index start = o * of.count * of.inner;
    if (of.inner == 1) {
      for (Index c = 0; c < of.count; ++c) f(start + c, c);
    } else {
      for (Index c = 0; c < of.count; ++c) {
        const Index first = start + c * of.inner;
        for (Index i = 0; i < of.inner; ++i) f(first + i, c);
      }
    }
  }
}

template <class T>
inline T channel_size(Channels of) {
  return static_cast<T>(static_cast<double>(of.outer * of.inner));
}

// Every channel's mean and its variance about it, divided by n; NaN when the channel is empty.
template <class T>
void moments(Channels of, const T* x, T* __restrict mean, T* __restrict var) {
  const T n = channel_size<T>(of);
  sum_channels(of, mean, true, [=](Index i, Index) { return x[i]; });
  for (Index c = 0; c < of.count; ++c) mean[c] /= n;
  const T* centre = mean;
  sum_channels(of, var, true, [=](Index i, Index c) {
    const T d = x[i] - centre[c];
    return d * d;
  });
  for (Index c = 0; c < of.count; ++c) var[c] /= n;
}

// xhat = (x - mean) rstd
template <class T>
void normalize(Channels of, const T* x, const T* mean, const T* rstd, T* __restrict xhat) {
  for_each_in_channels(of, [=](Index i, Index c) { xhat[i] = (x[i] - mean[c]) * rstd[c]; });
}

// dx = rstd (dxhat - mean(dxhat) - xhat mean(dxhat xhat)): mean and rstd depend on x as well.
// `work` has room for two numbers per channel.
template <class T>
void normalize_vjp(Channels of, const T* dxhat, const T* xhat, const T* rstd, T* __restrict work,
                   T* __restrict dx, bool fresh) {
  const T n = channel_size<T>(of);
  T* const mean = work;
  T* const dot = work + of.count;
  sum_channels(of, mean, true, [=](Index i, Index) { return dxhat[i]; });
  sum_channels(of, dot, true, [=](Index i, Index) { return dxhat[i] * xhat[i]; });
  for (Index c = 0; c < 2 * of.count; ++c) work[c] /= n;
  for_each_in_channels(of, [=](Index i, Index c) {
    put(dx[i], rstd[c] * (dxhat[i] - mean[c] - xhat[i] * dot[c]), fresh);
  });
}

template <class T>
void channel_affine(Channels of, const T* x, const T* scale, const T* shift, T* __restrict out) {
  for_each_in_channels(of, [=](Index i, Index c) { out[i] = x[i] * scale[c] + shift[c]; });
}

template <class T>
void channel_scale(Channels of, const T* x, const T* scale, T* __restrict out, bool fresh) {
  for_each_in_channels(of, [=](Index i, Index c) { put(out[i], x[i] * scale[c], fresh); });
}

template <class T>
void channel_sums(Channels of, const T* x, T* __restrict out, bool fresh) {
  sum_channels(of, out, fresh, [=](Index i, Index) { return x[i]; });
}

template <class T>
void channel_dots(Channels of, const T* x, const T* y, T* __restrict out, bool fresh) {
  sum_channels(of, out, fresh, [=](Index i, Index) { return x[i] * y[i]; });
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
