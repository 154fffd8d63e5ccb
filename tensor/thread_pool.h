// Helper threads that stay, for work too short to start threads for.
#pragma once

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "tensor/scalar.h"

namespace tapegrad {

/// Divides work among the calling thread and helpers, which are started when first needed and wait
/// for more until the pool ends: at first awake, so that the next piece begins at once, then
/// asleep. Any thread may call run() at any time; while the helpers are taken, a caller works
/// alone.
class ThreadPool {
 public:
  ThreadPool() = default;
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// How many threads work, the calling one among them: 1 unless set.
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  /// Throws OptionError for count < 1. Waits for a run() that has the helpers.
  void set_threads(int count);

  /// Calls work(0), ..., work(n - 1), each once, on any of the threads and in any order, and
  /// returns when all are done. When one throws, others may be left out; what it threw is thrown
  /// here once none is under way.
  template <class F>
  void run(Index n, const F& work) {
    if (n > 1 && threads() > 1 && !taken_.test_and_set(std::memory_order_acquire)) {
      const Release release{taken_};
      run_with_helpers(n, {&work, [](const void* f, Index i) { (*static_cast<const F*>(f))(i); }});
    } else {
      for (Index i = 0; i < n; ++i) work(i);
    }
  }

 private:
  struct Work {
    const void* function;
    void (*call)(const void* function, Index i);
  };

  struct Release {
    std::atomic_flag& taken;
    ~Release() { taken.clear(std::memory_order_release); }
  };

  void run_with_helpers(Index n, Work work);
  void help();
  bool take();
  void do_piece(Index i);
  void stop();

  std::atomic_flag taken_;  // by the caller that has the helpers
  std::vector<std::jthread> helpers_;
  std::atomic<int> threads_ = 1;

  // Written by that caller while nothing is left to take.
  Work work_{};
  int count_ = 0;

  // Who takes a piece counts `left_` down; only then may it read the above, which cannot change
  // before that piece is counted as done. The caller takes the first ones and helpers the last, so
  // that a thread has the same pieces again next time, whose memory its processor is nearest to.
  std::atomic<int> left_ = 0;  // negative: the helpers are to end
  std::atomic<int> from_end_ = 0;
  std::atomic<int> done_ = 0;
  std::atomic_flag failed_;   // by the first piece that threw,
  std::exception_ptr error_;  // which left this
};

}  // namespace tapegrad
