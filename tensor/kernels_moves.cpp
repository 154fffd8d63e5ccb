// Kernels that only move numbers, or add them up where they land.
#include <algorithm>

#include "tensor/kernels.h"

namespace tapegrad::kernels {
namespace {

// to[i] = from[i * step], or += when not fresh.
template <Scalar T>
void copy_line(Index n, const T* from, Index step, T* to, bool fresh) {
  if (step == 1) {
    loops<T>().copy(n, from, to, fresh);
  } else if (fresh) {
    for (Index i = 0; i < n; ++i) to[i] = from[i * step];
  } else {
    for (Index i = 0; i < n; ++i) to[i] += from[i * step];
  }
}

// How many numbers make a row along the first axis.
Index row_size(const Shape& shape) {
  Index size = 1;
  for (int axis = 1; axis < shape.rank(); ++axis) size *= shape[axis];
  return size;
}

}  // namespace

AxisSplit split_axis(const Shape& shape, int axis) {
  AxisSplit s{1, shape[axis], 1};
  for (int i = 0; i < axis; ++i) s.outer *= shape[i];
  for (int i = axis + 1; i < shape.rank(); ++i) s.inner *= shape[i];
  return s;
}

template <Scalar T>
void copy_blocks(Index count, Index length, Blocks<const T> from, Blocks<T> to, bool fresh) {
  if (length == 1 && to.step == 1) {
    copy_line(count, from.first, from.step, to.first, fresh);
    return;
  }
  for (Index i = 0; i < count; ++i) {
    loops<T>().copy(length, from.first + i * from.step, to.first + i * to.step, fresh);
  }
}

template <Scalar T>
void permute(View<const T> x, std::span<const int> axes, Target<T> out) {
  const Shape& shape = out.to.shape();
  const int last = shape.rank() - 1;
  assert(std::ssize(axes) == shape.rank() && x.size() == shape.size());
  if (shape.size() == 0) return;
  if (last < 0) return copy_line(1, x.data(), 1, out.to.data(), out.fresh);

  Index strides[Shape::max_rank];  // in x, of x's axes
  Index stride = 1;
  for (int i = last; i >= 0; --i) {
    strides[i] = stride;
    stride *= x.shape()[i];
  }
  Index steps[Shape::max_rank];  // in x, of the target's axes
  for (int i = 0; i <= last; ++i) steps[i] = strides[axes[static_cast<std::size_t>(i)]];

  Index at[Shape::max_rank] = {};
  Index offset = 0;
  for (Index start = 0; start < shape.size(); start += shape[last]) {
    copy_line(shape[last], x.data() + offset, steps[last], out.to.data() + start, out.fresh);
    for (int i = last - 1; i >= 0; --i) {
      offset += steps[i];
      if (++at[i] < shape[i]) break;
      offset -= steps[i] * shape[i];
      at[i] = 0;
    }
  }
}

template <Scalar T>
void flip(View<const T> x, int axis, Target<T> out) {
  assert(x.shape() == out.to.shape());
  if (x.size() == 0) return;
  const AxisSplit s = split_axis(x.shape(), axis);
  for (Index o = 0; o < s.outer; ++o) {
    const Index start = o * s.n * s.inner;
    copy_blocks<T>(s.n, s.inner, {x.data() + start + (s.n - 1) * s.inner, -s.inner},
                   {out.to.data() + start, s.inner}, out.fresh);
  }
}

template <Scalar T>
void gather_rows(View<const T> x, std::span<const std::int32_t> indices, Target<T> out) {
  const Index cols = row_size(x.shape());
  assert(out.to.size() == std::ssize(indices) * cols);
  T* to = out.to.data();
  for (const std::int32_t row : indices) {
    loops<T>().copy(cols, x.data() + row * cols, to, out.fresh);
    to += cols;
  }
}

template <Scalar T>
void scatter_rows(View<const T> x, std::span<const std::int32_t> indices, Target<T> out) {
  const Index cols = row_size(out.to.shape());
  assert(x.size() == std::ssize(indices) * cols);
  if (out.fresh) std::fill(out.to.begin(), out.to.end(), T(0));
  const T* from = x.data();
  for (const std::int32_t row : indices) {
    loops<T>().copy(cols, from, out.to.data() + row * cols, false);
    from += cols;
  }
}

#define TAPEGRAD_INSTANTIATE(T)                                                          \
  template void copy_blocks<T>(Index, Index, Blocks<const T>, Blocks<T>, bool);          \
  template void permute<T>(View<const T>, std::span<const int>, Target<T>);              \
  template void flip<T>(View<const T>, int, Target<T>);                                  \
  template void gather_rows<T>(View<const T>, std::span<const std::int32_t>, Target<T>); \
  template void scatter_rows<T>(View<const T>, std::span<const std::int32_t>, Target<T>);

TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
TAPEGRAD_INSTANTIATE(Dual)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad::kernels
