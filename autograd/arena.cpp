#include "autograd/arena.h"

#include <algorithm>
#include <cstdint>
#include <new>

namespace tapegrad {
namespace {

constexpr std::align_val_t block_alignment{64};

void poison([[maybe_unused]] std::uintptr_t from, [[maybe_unused]] std::uintptr_t to) {
#ifdef TAPEGRAD_POISON
  __asan_poison_memory_region(reinterpret_cast<void*>(from), to - from);
#endif
}

}  // namespace

Arena::Arena(std::size_t first_block_bytes) {
  blocks_.reserve(32);
  blocks_.push_back(new_block(first_block_bytes));
  enter(0);
}

Arena::~Arena() {
  for (const Block& block : blocks_) {
    unpoison(block.data, block.bytes);
    ::operator delete(block.data, block_alignment);
  }
}

Arena& Arena::of_this_thread() {
  thread_local Arena arena;
  return arena;
}

// Whole cache lines, so that the cursor, which moves by parts of them, ends where the block does.
Arena::Block Arena::new_block(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX) throw std::bad_alloc();  // rounded up, it would wrap around
  bytes = round_up(bytes, 64);
  auto* data = static_cast<std::byte*>(::operator new(bytes, block_alignment));
  const Block block{data, bytes};
  poison(block.begin(), block.begin() + bytes);
  return block;
}

// Of `wanted` bytes, or of no more than are needed where memory is that short.
Arena::Block Arena::larger_block(std::size_t wanted, std::size_t needed) {
  if (wanted <= needed) return new_block(needed);
  try {
    return new_block(wanted);
  } catch (const std::bad_alloc&) {
    return new_block(needed);
  }
}

void Arena::enter(std::size_t block) {
  block_ = block;
  cursor_ = blocks_[block].begin();
  end_ = cursor_ + blocks_[block].bytes;
}

void* Arena::allocate_in_next_block(std::size_t bytes, std::size_t alignment) {
  std::size_t next = block_ + 1;
  while (next < blocks_.size() && blocks_[next].bytes < bytes) ++next;
  if (next == blocks_.size()) {
    // before the block exists, so that a failure leaks nothing
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back(larger_block(2 * blocks_.back().bytes, bytes));
  }
  enter(next);
  return allocate(bytes, alignment);
}

void Arena::rewind(Mark mark) {
  for (std::size_t i = mark.block; i <= block_; ++i) {
    const std::uintptr_t from = i == mark.block ? mark.cursor : blocks_[i].begin();
    poison(from, blocks_[i].begin() + blocks_[i].bytes);
  }
  enter(mark.block);
  cursor_ = mark.cursor;
}

std::size_t Arena::used() const {
  std::size_t bytes = cursor_ - blocks_[block_].begin();
  for (std::size_t i = 0; i < block_; ++i) bytes += blocks_[i].bytes;
  return bytes;
}

}  // namespace tapegrad
