#include "tensor/parallel.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("parallel: every piece of work is done once, with any number of workers") {
  for (const Index workers : {1, 2, 3, 8}) {
    for (const Index n : {0, 1, 7, 100}) {
      std::vector<int> done(static_cast<std::size_t>(n));
      parallel_for(n, workers, [&](Index i) { ++done[static_cast<std::size_t>(i)]; });
      CHECK(done == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
  }
  CHECK(processor_count() >= 1);
}

TEST_CASE("parallel: pieces run at the same time") {
  // Each of the two waits until the other has begun.
  std::atomic<int> begun = 0;
  parallel_for(2, 2, [&](Index) {
    ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  CHECK(begun == 2);
}

TEST_CASE("parallel: the first exception comes through and nothing further is started") {
  for (const Index workers : {1, 2, 4}) {
    std::atomic<int> started = 0;
    CHECK_THROWS_WITH(parallel_for(1000, workers,
                                   [&](Index i) {
                                     ++started;
                                     if (i == 3) throw std::runtime_error("three");
                                     if (i > 3) std::this_thread::yield();
                                   }),
                      "three");
    CHECK(started < 1000);
  }
  CHECK_THROWS_AS(parallel_for(1, 0, [](Index) {}), OptionError);
}

TEST_CASE("parallel: of several exceptions the first piece's is thrown, whichever came first") {
  for (const Index late : {0, 1}) {
    std::atomic<int> begun = 0;
    CHECK_THROWS_WITH(parallel_for(2, 2,
                                   [&](Index i) {
                                     ++begun;
                                     while (begun < 2) std::this_thread::yield();
                                     if (i == late) {
                                       std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                     }
                                     throw std::runtime_error(i == 0 ? "zero" : "one");
                                   }),
                      "zero");
  }
}
