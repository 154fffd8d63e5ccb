// Private to tensor/loops.cpp: what lies under the windows of a convolution, in the order in which
// a matrix product reads it. It uses the vectors of loops_vectors.h.
#pragma once

#include "tensor/loops_vectors.h"

#if defined(__FMA__)
namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// Copies the windows of one run; `copy` moves the numbers under one place of all its windows.
template <class Copy>
[[gnu::always_inline]] inline void pack_run(const WindowPixels& w, WindowRun run, float* out,
                                            Copy copy) {
  out += run.to;
  for (Index c = 0; c < w.channels; ++c) {
    for (Index u = 0; u < w.window_height; ++u) {
      const float* from = w.pixels + run.from + c * w.plane + u * w.row;
      for (Index v = 0; v < w.window_width; ++v, ++from, out += w.row_length) copy(from, out);
    }
  }
}

// Rows of small pictures have one of a few lengths, which are worth a loop without branches.
void pack_windows(const WindowPixels& w, const WindowRun* runs, Index count, float* out) {
  for (const WindowRun* run = runs; run < runs + count; ++run) {
    const Index n = run->length;
    if (w.stride == 1 && n == 8) {
      pack_run(w, *run, out, [](const float* from, float* to) { memcpy(to, from, 32); });
    } else if (w.stride == 1 && n == 16) {
      pack_run(w, *run, out, [](const float* from, float* to) { memcpy(to, from, 64); });
    } else if (w.stride == 1) {
      pack_run(w, *run, out, [n](const float* from, float* to) {
        Index i = 0;
        for (; i + lanes <= n; i += lanes) store(load(from + i), to + i);
        for (; i < n; ++i) to[i] = from[i];
      });
    } else {
      pack_run(w, *run, out, [n, stride = w.stride](const float* from, float* to) {
        for (Index i = 0; i < n; ++i) to[i] = from[i * stride];
      });
    }
  }
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
