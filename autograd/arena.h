// Memory that is rewound, never freed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "tensor/scalar.h"

#if defined(__SANITIZE_ADDRESS__)
#define TAPEGRAD_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAPEGRAD_POISON 1
#endif
#endif
#ifdef TAPEGRAD_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace tapegrad {

/// A bump allocator. Memory is taken by moving a cursor and given back all at once by moving it
/// back to a mark; blocks stay, so work that repeats allocates nothing after its first round. Under
/// AddressSanitizer memory that was given back is poisoned: whoever kept a pointer into it is
/// caught. An arena belongs to one thread.
class Arena {
 public:
  explicit Arena(std::size_t first_block_bytes = std::size_t{1} << 16);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// The calling thread's own arena.
  static Arena& of_this_thread();

  /// `bytes` bytes aligned to `alignment`, a power of two up to 64. Uninitialised.
  void* allocate(std::size_t bytes, std::size_t alignment) {
    std::uintptr_t start = cursor_;
    if (alignment > 16) start = round_up(start, alignment);
    if (start > end_ || bytes > end_ - start) return allocate_in_next_block(bytes, alignment);
    cursor_ = start + round_up(bytes, 16);
    return unpoison(reinterpret_cast<void*>(start), bytes);  // NOLINT: places are reckoned in bytes
  }

  /// n uninitialised numbers; 64-byte aligned when they fill a cache line.
  template <class T>
  T* allocate_array(Index n) {
    static_assert(std::is_trivially_destructible_v<T>, "the arena runs no destructors");
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
    return static_cast<T*>(allocate(bytes, bytes >= 64 ? 64 : 8));
  }

  /// A place to rewind to.
  struct Mark {
    std::size_t block;
    std::uintptr_t cursor;
  };
  Mark mark() const { return {block_, cursor_}; }
  void rewind(Mark mark);

  /// Bytes taken since the arena was empty, padding included.
  std::size_t used() const;

  /// The object whose allocations are on top: only it may allocate, so that scopes nest.
  const void* innermost() const { return innermost_; }
  void set_innermost(const void* owner) { innermost_ = owner; }

 private:
  struct Block {
    std::byte* data;
    std::size_t bytes;
    std::uintptr_t begin() const { return reinterpret_cast<std::uintptr_t>(data); }
  };

  static Block new_block(std::size_t bytes);
  static Block larger_block(std::size_t wanted, std::size_t needed);
  void* allocate_in_next_block(std::size_t bytes, std::size_t alignment);
  void enter(std::size_t block);

  static std::uintptr_t round_up(std::uintptr_t n, std::uintptr_t power_of_two) {
    return (n + power_of_two - 1) & ~(power_of_two - 1);
  }

  static void* unpoison(void* p, [[maybe_unused]] std::size_t bytes) {
#ifdef TAPEGRAD_POISON
    __asan_unpoison_memory_region(p, bytes);
#endif
    return p;
  }

  std::uintptr_t cursor_ = 0;  // a multiple of 16
  std::uintptr_t end_ = 0;
  std::size_t block_ = 0;
  std::vector<Block> blocks_;
  const void* innermost_ = nullptr;
};

}  // namespace tapegrad
