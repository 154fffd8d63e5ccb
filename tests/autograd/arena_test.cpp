#include "autograd/arena.h"

#include <pthread.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <thread>

#include "autograd/ops.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

/// Runs f on a thread with a stack of so many bytes.
template <class F>
void on_small_stack(std::size_t bytes, F f) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    (*static_cast<F*>(argument))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, &f) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

}  // namespace

TEST_CASE("arena: memory is aligned and does not overlap, whatever the sizes") {
  Arena arena(256);
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::size_t bytes = i * 7 % 1001;
    const std::size_t alignment = std::size_t{1} << (i % 7);
    auto* p = static_cast<std::byte*>(arena.allocate(bytes, alignment));
    CHECK(reinterpret_cast<std::uintptr_t>(p) % alignment == 0);
    std::memset(p, static_cast<int>(i % 256), bytes);
    pieces.emplace_back(p, bytes);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto [p, bytes] = pieces[i];
    bool intact = true;
    for (std::size_t j = 0; j < bytes; ++j) intact = intact && p[j] == std::byte(i % 256);
    CHECK(intact);
  }
}

TEST_CASE("arena: arrays that fill a cache line start at one") {
  Arena arena;
  arena.allocate(1, 1);
  for (Index n = 0; n < 40; ++n) {
    const auto address = reinterpret_cast<std::uintptr_t>(arena.allocate_array<double>(n));
    CHECK(address % (n >= 8 ? 64 : 8) == 0);
  }
}

TEST_CASE("arena: rewinding gives the same addresses again") {
  Arena arena(128);
  arena.allocate(40, 8);
  const auto mark = arena.mark();
  const std::size_t used = arena.used();
  std::vector<void*> first;
  for (std::size_t i = 0; i < 50; ++i) first.push_back(arena.allocate(i * 10, 8));
  CHECK(arena.used() > used);
  arena.rewind(mark);
  CHECK(arena.used() == used);
  std::vector<void*> second;
  for (std::size_t i = 0; i < 50; ++i) second.push_back(arena.allocate(i * 10, 8));
  CHECK(first == second);
}

TEST_CASE("arena: used counts what was taken and is zero when empty") {
  Arena arena(64);
  CHECK(arena.used() == 0);
  const auto start = arena.mark();
  arena.allocate(24, 8);
  CHECK(arena.used() >= 24);
  arena.allocate(10'000, 8);
  CHECK(arena.used() >= 10'024);
  arena.rewind(start);
  CHECK(arena.used() == 0);
}

TEST_CASE("arena: whatever a block's size, it is used to its end and given back") {
  for (std::size_t bytes = 1; bytes <= 200; ++bytes) {
    CAPTURE(bytes);
    Arena arena(bytes);
    std::memset(arena.allocate(bytes, 8), 1, bytes);
    const auto full = arena.mark();
    const std::size_t used = arena.used();
    CHECK(used >= bytes);
    arena.rewind(full);
    CHECK(arena.used() == used);
    std::memset(arena.allocate(3 * bytes, 8), 2, 3 * bytes);
    CHECK(arena.used() >= used + 3 * bytes);
    const auto full_again = arena.mark();
    arena.allocate(1, 1);
    arena.rewind(full_again);
    arena.rewind(full);
    CHECK(arena.used() == used);
  }
}

TEST_CASE("arena: more than there can be is refused, and the arena can be used") {
  Arena arena;
  const std::size_t used = arena.used();
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2 + 1}) {
    CHECK_THROWS_AS(arena.allocate(bytes, 8), std::bad_alloc);
    CHECK(arena.used() == used);
  }
  std::memset(arena.allocate(100, 8), 1, 100);
}

TEST_CASE("arena: one larger than every block so far is served") {
  Arena arena(16);
  for (const std::size_t bytes : {std::size_t{1} << 10, std::size_t{1} << 22}) {
    auto* p = static_cast<std::byte*>(arena.allocate(bytes, 64));
    std::memset(p, 1, bytes);
    CHECK(p[bytes - 1] == std::byte{1});
  }
}

TEST_CASE("arena: every thread has its own default") {
  const Arena* here = &Arena::of_this_thread();
  const Arena* there = nullptr;
  std::thread([&] { there = &Arena::of_this_thread(); }).join();
  CHECK(here == &Arena::of_this_thread());
  CHECK(here != there);
}

#ifdef TAPEGRAD_POISON
TEST_CASE("arena: memory that was given back is poisoned") {
  Arena arena;
  const Tensor<double> a({4}, 1);
  const double* value = nullptr;
  const void* node = nullptr;
  {
    Tape<double> tape(arena);
    value = exp(tape.variable(a)).value().data();
    node = tape.nodes().back();
    CHECK_FALSE(__asan_address_is_poisoned(value));
    CHECK_FALSE(__asan_address_is_poisoned(node));
  }
  CHECK(__asan_address_is_poisoned(value));
  CHECK(__asan_address_is_poisoned(node));
}
#endif

TEST_CASE("arena: a chain of a million ops needs no stack and little memory per op") {
  constexpr int length = 1'000'000;
  const Tensor<double> a(Shape{}, 2);
  std::exception_ptr failure;
  double value = 0;
  double gradient = 0;
  std::size_t forward_bytes = 0;
  std::size_t bytes = 0;
  on_small_stack(std::size_t{256} << 10, [&] {
    try {
      Arena arena;
      Tape<double> tape(arena);
      const Var<double> x = tape.variable(a);
      const std::size_t before = arena.used();
      Var<double> y = x;
      for (int i = 0; i < length; ++i) y = neg(y);
      forward_bytes = arena.used() - before;
      tape.backward(y);
      bytes = arena.used() - before;
      value = y.item();
      gradient = tape.gradient(x)[0];
    } catch (...) {
      failure = std::current_exception();
    }
  });
  CHECK_FALSE(failure);
  CHECK(value == 2);
  CHECK(gradient == 1);
  CHECK(forward_bytes > 0);
  CHECK(forward_bytes / length <= 200);
  CHECK(bytes / length <= 200);
}
