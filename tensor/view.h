// Numbers that somebody else owns: where they are and what shape they have.
#pragma once

#include <cassert>
#include <span>
#include <type_traits>

#include "tensor/shape.h"

namespace tapegrad {

/// Borrowed numbers, row-major and contiguous. A View is as cheap to copy as its shape and never
/// owns memory; View<const T> cannot change what it sees.
template <class T>
class View {
 public:
  View() : shape_({0}) {}
  View(T* data, const Shape& shape) : data_(data), shape_(shape) {}

  /// A view that may write is also one that reads.
  template <class U>
  requires std::same_as<const U, T> View(const View<U>& other)
      : data_(other.data()), shape_(other.shape()) {}

  T* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  Index size() const { return shape_.size(); }
  T* begin() const { return data_; }
  T* end() const { return data_ + size(); }
  std::span<T> span() const { return {data_, static_cast<std::size_t>(size())}; }

  /// The i-th number in row-major order.
  T& operator[](Index i) const {
    assert(0 <= i && i < size());
    return data_[i];
  }

  /// The number at one index per axis: view(row, column).
  template <std::integral... I>
  T& operator()(I... indices) const {
    assert(sizeof...(I) == static_cast<std::size_t>(shape_.rank()));
    Index flat = 0;
    int axis = 0;
    ((flat = flat * shape_[axis++] + static_cast<Index>(indices)), ...);
    return (*this)[flat];
  }

  /// The same numbers under another shape of the same size.
  View reshaped(const Shape& shape) const {
    assert(shape.size() == size());
    return {data_, shape};
  }

 private:
  T* data_ = nullptr;
  Shape shape_;
};

/// Where a kernel puts its result: overwriting every element when `fresh`, else adding to each.
template <class T>
struct Target {
  Target(const View<T>& view, bool overwrite = true) : to(view), fresh(overwrite) {}

  View<T> to;
  bool fresh;
};

}  // namespace tapegrad
