#include "tensor/thread_pool.h"

#include <fmt/format.h>

#include <cassert>
#include <limits>
#include <utility>

#include "tensor/error.h"

namespace tapegrad {
namespace {

// How often a waiting thread looks again before it gives the processor to others: some 20 to 40
// microseconds, about the time between two products of a training step. A helper then looks on for
// about the time of a step before it sleeps: to wake it takes long, and it may come to itself on
// the caller's processor, where it is of no use until the system notices.
constexpr int looks = 2000, looks_of_helper = looks + 1000;

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
  from_end_.store(0, std::memory_order_relaxed);
  left_.store(count_, std::memory_order_release);
  left_.notify_all();
  for (int i = 0; take(); ++i) do_piece(i);
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
  done_.fetch_add(1, std::memory_order_release);
}

void ThreadPool::help() {
  for (;;) {
    int left = left_.load(std::memory_order_relaxed);
    for (int i = 0; left == 0 && i < looks_of_helper; ++i) {
      i < looks ? pause() : std::this_thread::yield();
      left = left_.load(std::memory_order_relaxed);
    }
    if (left < 0) return;
    if (left == 0) left_.wait(0, std::memory_order_relaxed);
    while (take()) do_piece(count_ - 1 - from_end_.fetch_add(1, std::memory_order_relaxed));
  }
}

// Whether one of the pieces that are left is now this thread's. A stale `left` does no harm: what
// is taken is a piece of the work that is there when the exchange succeeds.
bool ThreadPool::take() {
  int left = left_.load(std::memory_order_relaxed);
  while (left > 0) {
    if (left_.compare_exchange_weak(left, left - 1, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void ThreadPool::stop() {
  left_.store(-1, std::memory_order_relaxed);
  left_.notify_all();
  helpers_.clear();  // joins them
  left_.store(0, std::memory_order_relaxed);
}

}  // namespace tapegrad
