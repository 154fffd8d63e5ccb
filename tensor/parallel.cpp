#include "tensor/parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace tapegrad {
namespace {

// Hands out the indices and keeps the exception of the lowest one that failed.
class Queue {
 public:
  Queue(Index n, const std::function<void(Index)>& work) : n_(n), work_(work) {}

  void run() {
    for (Index i = take(); i < n_; i = take()) {
      try {
        work_(i);
      } catch (...) {
        fail(i, std::current_exception());
      }
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  Index take() {
    const std::scoped_lock lock(mutex_);
    return error_ ? n_ : next_++;
  }

  void fail(Index i, std::exception_ptr error) {
    const std::scoped_lock lock(mutex_);
    if (error_ && failed_ < i) return;
    error_ = std::move(error);
    failed_ = i;
  }

  Index n_;
  const std::function<void(Index)>& work_;
  std::mutex mutex_;
  Index next_ = 0;
  Index failed_ = 0;
  std::exception_ptr error_;
};

}  // namespace

Index processor_count() {
  return std::max<Index>(1, static_cast<Index>(std::thread::hardware_concurrency()));
}

void parallel_for(Index n, Index workers, const std::function<void(Index)>& work) {
  if (workers < 1) {
    throw OptionError(fmt::format("parallel_for: {} workers, but at least 1 is needed", workers));
  }
  Queue queue(n, work);
  {
    std::vector<std::jthread> helpers;
    for (Index i = 1; i < std::min(workers, n); ++i) helpers.emplace_back([&] { queue.run(); });
    queue.run();
  }
  queue.rethrow();
}

}  // namespace tapegrad
