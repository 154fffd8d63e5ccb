#include "tensor/tensor.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/error.h"

namespace tapegrad {
namespace {

template <class T>
T* allocate(Index n) {
  return static_cast<T*>(
      ::operator new[](static_cast<std::size_t>(n) * sizeof(T), std::align_val_t{64}));
}

}  // namespace

template <Scalar T>
Tensor<T>::Tensor(const Shape& shape) : Tensor(shape, T(0)) {}

template <Scalar T>
Tensor<T>::Tensor(const Shape& shape, std::type_identity_t<T> value)
    : shape_(shape), data_(allocate<T>(shape.size())) {
  std::fill(begin(), end(), value);
}

template <Scalar T>
Tensor<T>::Tensor(const Shape& shape, std::span<const T> values) : shape_(shape) {
  if (std::ssize(values) != shape.size()) {
    throw ShapeError(fmt::format("tensor: shape {} has {} elements but {} values were given",
                                 to_string(shape), shape.size(), values.size()));
  }
  data_.reset(allocate<T>(shape.size()));
  std::copy(values.begin(), values.end(), begin());
}

template <Scalar T>
Tensor<T>::Tensor(const Tensor& other) : Tensor(other.shape_, other.span()) {}

template <Scalar T>
Tensor<T>& Tensor<T>::operator=(const Tensor& other) {
  if (this != &other) *this = Tensor(other);
  return *this;
}

template <Scalar T>
Tensor<T>::Tensor(Tensor&& other) noexcept
    : shape_(std::exchange(other.shape_, Shape{0})), data_(std::move(other.data_)) {}

template <Scalar T>
Tensor<T>& Tensor<T>::operator=(Tensor&& other) noexcept {
  shape_ = std::exchange(other.shape_, Shape{0});
  data_ = std::move(other.data_);
  return *this;
}

template class Tensor<float>;
template class Tensor<double>;
template class Tensor<Dual>;

}  // namespace tapegrad
