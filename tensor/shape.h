// The sizes of a tensor's axes.
#pragma once

#include <cassert>
#include <initializer_list>
#include <span>
#include <string>

#include "tensor/scalar.h"

namespace tapegrad {

/// The sizes of a row-major tensor's axes, rank 0 (a single number) to 6. A size may be 0.
class Shape {
 public:
  static constexpr int max_rank = 6;
  static constexpr Index max_size = Index{1} << 58;  // so that bytes can be counted too

  /// Rank 0: one number.
  Shape() = default;

  /// Throws ShapeError for a negative size, a rank above 6 or more than 2^58 elements.
  Shape(std::initializer_list<Index> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const Index> sizes) {
    if (sizes.size() > max_rank) reject(sizes);
    Index counted = 1;  // without the zero sizes, so that the order of the axes does not matter
    for (const Index size : sizes) {
      if (size < 0 || __builtin_mul_overflow(counted, size == 0 ? 1 : size, &counted))
        reject(sizes);
      size_ *= size;
      sizes_[rank_++] = size;
    }
    if (counted > max_size) reject(sizes);
  }

  int rank() const { return rank_; }

  /// How many elements: the product of the sizes, 1 for rank 0.
  Index size() const { return size_; }

  /// The size of axis 0 <= axis < rank().
  Index operator[](int axis) const {
    assert(0 <= axis && axis < rank_);
    return sizes_[axis];
  }

  const Index* begin() const { return sizes_; }
  const Index* end() const { return sizes_ + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int axis = 0; axis < a.rank_; ++axis) {
      if (a.sizes_[axis] != b.sizes_[axis]) return false;
    }
    return true;
  }

  /// The axis counted from the front; -1 is the last. Throws ShapeError, naming `op`, when there is
  /// no such axis.
  int axis(int axis, const char* op) const;

  /// This shape with one axis (-1 is the last) set to `size`. Throws ShapeError for no such axis.
  Shape with(int axis, Index size) const;

  /// This shape with one axis (-1 is the last) removed. Throws ShapeError for no such axis.
  Shape without(int axis) const;

 private:
  [[noreturn]] static void reject(std::span<const Index> sizes);

  Index sizes_[max_rank] = {};
  Index size_ = 1;
  int rank_ = 0;
};

/// "[100, 3072]"; "[]" for rank 0.
std::string to_string(const Shape& shape);

/// The shape both operands stretch to under NumPy's rules: axes are aligned at the end, and an axis
/// of size 1 (or a missing one) repeats. Throws ShapeError, naming `op` and both shapes.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);

/// Whether a tensor of shape `from` stretches to exactly `to` under NumPy's rules.
bool broadcasts_to(const Shape& from, const Shape& to);

}  // namespace tapegrad
