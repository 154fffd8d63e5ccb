#include "tensor/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace tapegrad {
namespace {

std::string list(std::span<const Index> sizes) {
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

}  // namespace

void Shape::reject(std::span<const Index> sizes) {
  if (sizes.size() > max_rank) {
    throw ShapeError(fmt::format("shape {} has rank {}, but tensors have at most {} axes",
                                 list(sizes), sizes.size(), max_rank));
  }
  for (const Index size : sizes) {
    if (size < 0)
      throw ShapeError(fmt::format("shape {} has the negative size {}", list(sizes), size));
  }
  throw ShapeError(fmt::format("shape {} has more elements than can be counted", list(sizes)));
}

int Shape::axis(int axis, const char* op) const {
  if (axis < -rank_ || axis >= rank_) {
    throw ShapeError(fmt::format("{}: axis {} is out of range for shape {} (rank {})", op, axis,
                                 to_string(*this), rank_));
  }
  return axis < 0 ? axis + rank_ : axis;
}

Shape Shape::with(int axis, Index size) const {
  Index sizes[max_rank];
  std::copy(begin(), end(), sizes);
  sizes[this->axis(axis, "with")] = size;
  return Shape(std::span<const Index>(sizes, static_cast<std::size_t>(rank_)));
}

Shape Shape::without(int axis) const {
  const int removed = this->axis(axis, "without");
  Index sizes[max_rank];
  Index* out = sizes;
  for (int i = 0; i < rank_; ++i) {
    if (i != removed) *out++ = sizes_[i];
  }
  return Shape(std::span<const Index>(sizes, out));
}

std::string to_string(const Shape& shape) { return list({shape.begin(), shape.end()}); }

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  const int rank = std::max(a.rank(), b.rank());
  Index sizes[Shape::max_rank];
  for (int i = 1; i <= rank; ++i) {
    const Index na = i <= a.rank() ? a[a.rank() - i] : 1;
    const Index nb = i <= b.rank() ? b[b.rank() - i] : 1;
    if (na != nb && na != 1 && nb != 1) {
      throw ShapeError(fmt::format(
          "{}: shapes {} and {} do not broadcast: {} and {} (axis {} from the end) must be equal, "
          "or one of them 1",
          op, to_string(a), to_string(b), na, nb, i));
    }
    sizes[rank - i] = na == 1 ? nb : na;
  }
  return Shape(std::span<const Index>(sizes, static_cast<std::size_t>(rank)));
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int i = 1; i <= from.rank(); ++i) {
    const Index n = from[from.rank() - i];
    if (n != 1 && n != to[to.rank() - i]) return false;
  }
  return true;
}

}  // namespace tapegrad
