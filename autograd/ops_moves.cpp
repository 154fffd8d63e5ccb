// Ops that put numbers elsewhere: reordered, cut out, joined, looked up.
#include <fmt/format.h>

#include <algorithm>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::AxisSplit;
using kernels::split_axis;

namespace {

// The axes, counted from the front.
struct Axes {
  int of[Shape::max_rank] = {};
};

Axes require_permutation(const Shape& x, std::span<const int> axes) {
  Axes result;
  bool named[Shape::max_rank] = {};
  bool fits = std::ssize(axes) == x.rank();
  for (std::size_t i = 0; fits && i < axes.size(); ++i) {
    const int axis = x.axis(axes[i], "permute");
    fits = !named[axis];
    named[axis] = true;
    result.of[i] = axis;
  }
  if (!fits) {
    throw ShapeError(fmt::format("permute: axes ({}) must name each of the {} axes of {} once",
                                 fmt::join(axes, ", "), x.rank(), to_string(x)));
  }
  return result;
}

void require_slice(const Shape& x, int axis, Index begin, Index end) {
  if (begin < 0 || begin > end || end > x[axis]) {
    throw ShapeError(
        fmt::format("slice: begin is {} and end is {} along axis {} of {}, but must be 0 <= begin "
                    "<= end <= {}",
                    begin, end, axis, to_string(x), x[axis]));
  }
}

template <Scalar T>
void require_parts(const char* op, std::span<const Var<T>> parts) {
  if (parts.empty()) throw ShapeError(fmt::format("{}: needs at least one part", op));
}

// The shape of parts that follow one another along `axis`.
template <Scalar T>
Shape require_concat(std::span<const Var<T>> parts, int axis) {
  const Shape& first = parts[0].shape();
  Index total = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Shape& shape = parts[i].shape();
    if (shape.rank() != first.rank() || shape.with(axis, first[axis]) != first) {
      throw ShapeError(fmt::format(
          "concat: part {} is {} but part 0 is {}: only the sizes of axis {} may differ", i,
          to_string(shape), to_string(first), axis));
    }
    total += shape[axis];
  }
  return first.with(axis, total);
}

// The shape of parts side by side along a new axis; makes `axis` count from the front.
template <Scalar T>
Shape require_stack(std::span<const Var<T>> parts, int& axis) {
  const Shape& first = parts[0].shape();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].shape() != first) {
      throw ShapeError(fmt::format("stack: part {} is {} but part 0 is {}: all must be equal", i,
                                   to_string(parts[i].shape()), to_string(first)));
    }
  }
  const int rank = first.rank() + 1;
  if (rank > Shape::max_rank) {
    throw ShapeError(
        fmt::format("stack: parts of shape {} have {} axes, with the new one {}, but "
                    "tensors have at most {}",
                    to_string(first), first.rank(), rank, Shape::max_rank));
  }
  if (axis < -rank || axis >= rank) {
    throw ShapeError(
        fmt::format("stack: axis {} is out of range for a result of rank {}", axis, rank));
  }
  if (axis < 0) axis += rank;
  Index sizes[Shape::max_rank];
  Index* end = std::copy_n(first.begin(), axis, sizes);
  *end++ = std::ssize(parts);
  end = std::copy(first.begin() + axis, first.end(), end);
  return Shape(std::span<const Index>(sizes, end));
}

void require_rows(const Shape& x, std::span<const std::int32_t> indices) {
  if (x.rank() < 1) {
    throw ShapeError("gather_rows: x is a single number, but needs an axis of rows");
  }
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= x[0]) {
      throw ShapeError(
          fmt::format("gather_rows: index {} at position {} is outside 0..{}, the rows of {}",
                      indices[i], i, x[0] - 1, to_string(x)));
    }
  }
}

// The blocks of x that a part of it along an axis consists of, from `begin` on. An empty x may have
// no memory to point into.
template <class T>
kernels::Blocks<T> part_of(const View<T>& x, const AxisSplit& s, Index begin) {
  return {x.size() == 0 ? x.data() : x.data() + begin * s.inner, s.n * s.inner};
}

template <class T>
kernels::Blocks<T> whole(const View<T>& x, Index length) {
  return {x.data(), length};
}

// Parts one after the other: part i fills size(i) places along the axis that `at` is split around.
// A stack is the same with parts of one place each.
template <Scalar T, class F>
Var<T> join(const char* op, std::span<const Var<T>> operands, const Shape& shape, AxisSplit at,
            F size) {
  Tape<T>& tape = operands[0].tape();
  auto y = tape.record(op, shape, operands);
  const std::span<const Var<T>> parts = tape.copy(operands);
  Index begin = 0;
  for (const Var<T> part : parts) {
    const Index length = size(part) * at.inner;
    kernels::copy_blocks<T>(at.outer, length, whole(part.value(), length),
                            part_of(y.out(), at, begin), true);
    begin += size(part);
  }
  return y.vjp([=](View<const T> dy) {
    Index start = 0;
    for (const Var<T> part : parts) {
      const Index length = size(part) * at.inner;
      if (part.needs_grad()) {
        const Grad<T> dpart = part.grad();
        kernels::copy_blocks<T>(at.outer, length, part_of(dy, at, start), whole(dpart.to, length),
                                dpart.fresh);
      }
      start += size(part);
    }
  });
}

}  // namespace

template <Scalar T>
Var<T> permute(Var<T> x, std::span<const int> axes) {
  const Axes forward = require_permutation(x.shape(), axes);
  const int rank = x.shape().rank();
  Axes back;
  Index sizes[Shape::max_rank];
  for (int i = 0; i < rank; ++i) {
    sizes[i] = x.shape()[forward.of[i]];
    back.of[forward.of[i]] = i;
  }
  const auto count = static_cast<std::size_t>(rank);
  auto y = x.tape().record("permute", Shape(std::span<const Index>(sizes, count)), {x});
  kernels::permute<T>(x.value(), {forward.of, count}, y.out());
  return y.vjp([=](View<const T> dy) { kernels::permute<T>(dy, {back.of, count}, x.grad()); });
}

template <Scalar T>
Var<T> flip(Var<T> x, Axis axis) {
  const int at = x.shape().axis(axis, "flip");
  auto y = x.tape().record("flip", x.shape(), {x});
  kernels::flip<T>(x.value(), at, y.out());
  return y.vjp([=](View<const T> dy) { kernels::flip<T>(dy, at, x.grad()); });
}

template <Scalar T>
Var<T> slice(Var<T> x, Axis axis, Index begin, Index end) {
  const int at = x.shape().axis(axis, "slice");
  require_slice(x.shape(), at, begin, end);
  auto y = x.tape().record("slice", x.shape().with(at, end - begin), {x});
  const AxisSplit s = split_axis(x.shape(), at);
  const Index length = (end - begin) * s.inner;
  kernels::copy_blocks<T>(s.outer, length, part_of(x.value(), s, begin), whole(y.out(), length),
                          true);
  return y.vjp([=](View<const T> dy) {
    const Grad<T> dx = x.grad();
    if (dx.fresh) kernels::fill<T>(T(0), dx);
    kernels::copy_blocks<T>(s.outer, length, whole(dy, length), part_of(dx.to, s, begin), false);
  });
}

template <Scalar T>
Var<T> concat(std::span<const Var<T>> parts, Axis axis) {
  require_parts("concat", parts);
  const int at = parts[0].shape().axis(axis, "concat");
  const Shape shape = require_concat(parts, at);
  return join("concat", parts, shape, split_axis(shape, at),
              [at](Var<T> part) { return part.shape()[at]; });
}

template <Scalar T>
Var<T> stack(std::span<const Var<T>> parts, Axis axis) {
  require_parts("stack", parts);
  int at = axis;
  const Shape shape = require_stack(parts, at);
  return join("stack", parts, shape, split_axis(shape, at), [](Var<T>) { return Index{1}; });
}

template <Scalar T>
Var<T> gather_rows(Var<T> x, std::span<const std::int32_t> indices) {
  require_rows(x.shape(), indices);
  auto y = x.tape().record("gather_rows", x.shape().with(0, std::ssize(indices)), {x});
  const auto rows = x.tape().copy(indices);
  kernels::gather_rows<T>(x.value(), rows, y.out());
  return y.vjp([=](View<const T> dy) { kernels::scatter_rows<T>(dy, rows, x.grad()); });
}

#define TAPEGRAD_LIST(T)                                 \
  template Var<T> permute(Var<T>, std::span<const int>); \
  template Var<T> flip(Var<T>, Axis);                    \
  template Var<T> slice(Var<T>, Axis, Index, Index);     \
  template Var<T> concat(std::span<const Var<T>>, Axis); \
  template Var<T> stack(std::span<const Var<T>>, Axis);  \
  template Var<T> gather_rows(Var<T>, std::span<const std::int32_t>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
