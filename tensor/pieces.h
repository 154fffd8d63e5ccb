// Work that the threads of set_threads share.
#pragma once

#include <algorithm>

#include "tensor/thread_pool.h"

namespace tapegrad::kernels {

/// The threads that share the pieces.
ThreadPool& working_threads();

/// Calls work(first, last) for [0, n) cut at every multiple of `step`, on any of the threads and in
/// any order. Throws what `work` throws.
template <class F>
void for_each_piece(Index n, Index step, const F& work) {
  working_threads().run((n + step - 1) / step,
                        [&](Index i) { work(i * step, std::min((i + 1) * step, n)); });
}

/// Elements that are worth a thread's while when each is read and written once.
inline constexpr Index elements_per_piece = Index{1} << 16;

}  // namespace tapegrad::kernels
