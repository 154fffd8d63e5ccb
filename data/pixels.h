// Memory for the pixels of many images.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace tapegrad::data {

/// Owned bytes, in large pages where the system has them: taking 150 MB a page of 4 KiB at a time
/// costs as much as filling them. A regular value: copying copies the bytes.
///
/// Unlike a std::vector it leaves new bytes uninitialised, as a file's contents are about to
/// overwrite them, and never visits them one by one, which in a debug build takes seconds.
class Pixels {
 public:
  /// No bytes.
  Pixels() = default;

  /// `size` *uninitialised* bytes.
  explicit Pixels(std::size_t size);

  Pixels(const Pixels& other);
  Pixels& operator=(const Pixels& other);
  Pixels(Pixels&& other) noexcept;
  Pixels& operator=(Pixels&& other) noexcept;
  ~Pixels() = default;

  std::size_t size() const { return size_; }
  std::uint8_t* data() { return data_.get(); }
  const std::uint8_t* data() const { return data_.get(); }
  std::uint8_t* begin() { return data(); }
  std::uint8_t* end() { return data() + size_; }
  const std::uint8_t* begin() const { return data(); }
  const std::uint8_t* end() const { return data() + size_; }
  std::uint8_t& operator[](std::size_t i) { return data_[i]; }
  const std::uint8_t& operator[](std::size_t i) const { return data_[i]; }

  /// Keeps the first n bytes, where they are. Throws DataError when there are fewer.
  void truncate(std::size_t n);

  friend bool operator==(const Pixels& a, const Pixels& b);

 private:
  struct Free {
    std::align_val_t alignment;
    void operator()(std::uint8_t* bytes) const { ::operator delete[](bytes, alignment); }
  };

  std::size_t size_ = 0;
  std::unique_ptr<std::uint8_t[], Free> data_{nullptr, Free{}};
};

}  // namespace tapegrad::data
