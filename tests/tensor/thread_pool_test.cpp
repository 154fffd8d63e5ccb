#include "tensor/thread_pool.h"

#include <chrono>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

// How often each of n pieces is done in `times` runs.
std::vector<int> count_pieces(ThreadPool& pool, Index n, int times) {
  std::vector<int> done(static_cast<std::size_t>(n));
  for (int time = 0; time < times; ++time) {
    pool.run(n, [&](Index i) { ++done[static_cast<std::size_t>(i)]; });
  }
  return done;
}

}  // namespace

TEST_CASE("thread_pool: every piece is done once, run after run") {
  ThreadPool pool;
  CHECK(pool.threads() == 1);
  for (const int threads : {1, 2, 3, 8, 1, 2}) {
    pool.set_threads(threads);
    CHECK(pool.threads() == threads);
    for (const Index n : {0, 1, 2, 7, 100}) {
      CHECK(count_pieces(pool, n, 50) == std::vector<int>(static_cast<std::size_t>(n), 50));
    }
  }
}

TEST_CASE("thread_pool: pieces run at the same time, and all end before the run does") {
  ThreadPool pool;
  pool.set_threads(2);
  const auto caller = std::this_thread::get_id();
  for (int time = 0; time < 3; ++time) {
    // Each of the two waits until the other has begun; the helper takes longer.
    std::atomic<int> begun = 0;
    std::atomic<int> ended = 0;
    std::atomic<int> in_place = 0;  // the caller begins at the front, the helper at the back
    pool.run(2, [&](Index i) {
      ++begun;
      while (begun < 2) std::this_thread::yield();
      if (std::this_thread::get_id() != caller) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      if ((i == 0) == (std::this_thread::get_id() == caller)) ++in_place;
      ++ended;
    });
    CHECK(ended == 2);
    CHECK(in_place == 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the helper falls asleep
  }
}

TEST_CASE("thread_pool: a run inside a piece, and runs of several callers, work alone") {
  ThreadPool pool;
  pool.set_threads(3);
  std::vector<int> done(64);
  pool.run(8, [&](Index i) {
    pool.run(8, [&](Index j) { ++done[static_cast<std::size_t>(8 * i + j)]; });
  });
  CHECK(done == std::vector<int>(64, 1));

  std::vector<std::vector<int>> counts(4);
  {
    std::vector<std::jthread> callers;
    for (std::vector<int>& count : counts) {
      callers.emplace_back([&] { count = count_pieces(pool, 10, 100); });
    }
  }
  CHECK(counts == std::vector<std::vector<int>>(4, std::vector<int>(10, 100)));
}

TEST_CASE("thread_pool: what a piece throws reaches the caller, and the pool works on") {
  ThreadPool pool;
  for (const int threads : {1, 2, 3}) {
    pool.set_threads(threads);
    for (int time = 0; time < 20; ++time) {
      CHECK_THROWS_AS(pool.run(9,
                               [](Index i) {
                                 if (i % 4 == 3) throw std::bad_alloc();
                               }),
                      std::bad_alloc);
      CHECK(count_pieces(pool, 7, 2) == std::vector<int>(7, 2));
    }
  }
}

TEST_CASE("thread_pool: fewer than one thread is refused") {
  ThreadPool pool;
  CHECK_THROWS_WITH(pool.set_threads(0), "threads: 0, but at least 1 is needed");
}
