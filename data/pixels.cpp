#include "data/pixels.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "tensor/error.h"

namespace tapegrad::data {
namespace {

constexpr std::size_t large_page = std::size_t{1} << 21;

std::align_val_t alignment_of(std::size_t size) {
  return std::align_val_t{size < large_page ? alignof(std::max_align_t) : large_page};
}

std::uint8_t* allocate(std::size_t size) {
  if (size > PTRDIFF_MAX) throw std::bad_alloc();  // rounded up, it would wrap around
  void* bytes = ::operator new[](size, alignment_of(size));
#ifdef MADV_HUGEPAGE
  if (size >= large_page) ::madvise(bytes, size / large_page * large_page, MADV_HUGEPAGE);
#endif
  return static_cast<std::uint8_t*>(bytes);
}

}  // namespace

Pixels::Pixels(std::size_t size) : size_(size), data_(allocate(size), Free{alignment_of(size)}) {}

Pixels::Pixels(const Pixels& other) : Pixels(other.size_) {
  std::copy_n(other.data(), size_, data());
}

Pixels& Pixels::operator=(const Pixels& other) {
  if (this != &other) *this = Pixels(other);
  return *this;
}

Pixels::Pixels(Pixels&& other) noexcept
    : size_(std::exchange(other.size_, 0)), data_(std::move(other.data_)) {}

Pixels& Pixels::operator=(Pixels&& other) noexcept {
  size_ = std::exchange(other.size_, 0);
  data_ = std::move(other.data_);
  return *this;
}

void Pixels::truncate(std::size_t n) {
  if (n > size_) {
    throw DataError(fmt::format("pixels: the first {} bytes asked for: there are {}", n, size_));
  }
  size_ = n;
}

bool operator==(const Pixels& a, const Pixels& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace tapegrad::data
