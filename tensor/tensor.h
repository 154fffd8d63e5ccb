// A tensor that owns its numbers.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>

#include "tensor/view.h"

namespace tapegrad {

/// Owned numbers: row-major, contiguous, 64-byte aligned. A regular value: copying copies numbers,
/// == compares shapes and numbers.
template <Scalar T>
class Tensor {
 public:
  /// No numbers: shape [0].
  Tensor() : shape_({0}) {}

  /// All zeros.
  explicit Tensor(const Shape& shape);

  /// All `value`.
  Tensor(const Shape& shape, std::type_identity_t<T> value);

  /// The given numbers in row-major order. Throws ShapeError when their count is not shape.size().
  Tensor(const Shape& shape, std::initializer_list<T> values)
      : Tensor(shape, std::span<const T>(values.begin(), values.size())) {}
  Tensor(const Shape& shape, std::span<const T> values);

  /// A copy of what a view sees.
  explicit Tensor(View<const T> view) : Tensor(view.shape(), view.span()) {}

  Tensor(const Tensor& other);
  Tensor& operator=(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor() = default;

  const Shape& shape() const { return shape_; }
  Index size() const { return shape_.size(); }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T* begin() { return data(); }
  T* end() { return data() + size(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }
  std::span<T> span() { return view().span(); }
  std::span<const T> span() const { return view().span(); }
  T& operator[](Index i) { return view()[i]; }
  const T& operator[](Index i) const { return view()[i]; }
  template <std::integral... I>
  T& operator()(I... indices) {
    return view()(indices...);
  }
  template <std::integral... I>
  const T& operator()(I... indices) const {
    return view()(indices...);
  }

  View<T> view() { return {data(), shape_}; }
  View<const T> view() const { return {data(), shape_}; }
  operator View<T>() { return view(); }              // NOLINT: a tensor is usable where a view is
  operator View<const T>() const { return view(); }  // NOLINT

  friend bool operator==(const Tensor& a, const Tensor& b) {
    return a.shape_ == b.shape_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };

  Shape shape_;
  std::unique_ptr<T[], Free> data_;
};

}  // namespace tapegrad
