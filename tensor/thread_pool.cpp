#include "tensor/thread_pool.h"

#include <fmt/format.h>

#include <cassert>
#include <limits>
#include <utility>

#include "tensor/error.h"

namespace tapegrad {
namespace {

// How often a waiting thread looks again before it gives the processor away: some 20 microseconds,
// about the time between two products of a training step.
constexpr int looks = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void ThreadPool::set_threads(int count) {
  if (count < 1) {
    throw OptionError(fmt::format("threads: {}, but at least 1 is needed", count));
  }
  while (taken_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  const Release release{taken_};
  if (count == threads()) return;
  stop();
  threads_ = count;
}

void ThreadPool::run_with_helpers(Index n, Work work) {
  assert(n <= std::numeric_limits<int>::max());
  while (helpers_.size() + 1 < static_cast<std::size_t>(threads())) {
    helpers_.emplace_back([this] { help(); });
  }
  work_ = work;
  count_ = static_cast<int>(n);
  done_.store(0, std::memory_order_relaxed);
  left_.store(count_, std::memory_order_release);
  left_.notify_all();
  work_off();
  for (int i = 0; done_.load(std::memory_order_acquire) < count_; ++i) {
    i < looks ? pause() : std::this_thread::yield();
  }
  if (failed_.test(std::memory_order_relaxed)) {
    failed_.clear(std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

void ThreadPool::do_piece(Index i) {
  try {
    work_.call(work_.function, i);
  } catch (...) {
    if (!failed_.test_and_set(std::memory_order_relaxed)) error_ = std::current_exception();
  }
}

void ThreadPool::help() {
  for (;;) {
    int left = left_.load(std::memory_order_relaxed);
    for (int i = 0; left == 0 && i < looks; ++i) {
      pause();
      left = left_.load(std::memory_order_relaxed);
    }
    if (left < 0) return;
    left == 0 ? left_.wait(0, std::memory_order_relaxed) : work_off();
  }
}

// Takes pieces until none is left. A stale `left` does no harm: what is taken is a piece of the
// work that is there when the exchange succeeds.
void ThreadPool::work_off() {
  int left = left_.load(std::memory_order_relaxed);
  while (left > 0) {
    if (left_.compare_exchange_weak(left, left - 1, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      do_piece(count_ - left);
      done_.fetch_add(1, std::memory_order_release);
      left = left_.load(std::memory_order_relaxed);
    }
  }
}

void ThreadPool::stop() {
  left_.store(-1, std::memory_order_relaxed);
  left_.notify_all();
  helpers_.clear();  // joins them
  left_.store(0, std::memory_order_relaxed);
}

}  // namespace tapegrad
