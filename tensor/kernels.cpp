#include "tensor/kernels.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "tensor/instruction_set.h"
#include "tensor/products.h"

namespace tapegrad::kernels {
namespace {

template <Real T>
const Loops<T>& best_loops() {
#ifdef TAPEGRAD_MULTIVERSION
  if (best_instruction_set() == InstructionSet::v4) return v4::loops<T>();
  if (best_instruction_set() == InstructionSet::v3) return v3::loops<T>();
#endif
  return baseline::loops<T>();
}

template <Real T>
const TrainingLoops<T>& best_training_loops() {
#ifdef TAPEGRAD_MULTIVERSION
  if (best_instruction_set() == InstructionSet::v4) return v4::training_loops<T>();
  if (best_instruction_set() == InstructionSet::v3) return v3::training_loops<T>();
#endif
  return baseline::training_loops<T>();
}

const ProductLoops* best_product_loops() {
#ifdef TAPEGRAD_MULTIVERSION
  if (best_instruction_set() == InstructionSet::v4) return v4::product_loops();
  if (best_instruction_set() == InstructionSet::v3) return v3::product_loops();
#endif
  return baseline::product_loops();
}

// The steps by which an index of `from`, broadcast to `to`, moves along each axis of `to`: 0 where
// it repeats.
struct BroadcastSteps {
  BroadcastSteps(const Shape& from, const Shape& to) {
    assert(broadcasts_to(from, to));
    Index step = 1;
    for (int i = 1; i <= from.rank(); ++i) {
      const Index n = from[from.rank() - i];
      steps[to.rank() - i] = n == 1 ? 0 : step;
      step *= n;
    }
  }
  Index steps[Shape::max_rank] = {};
};

// Calls row(offset of the row in `small`, offset of the row in `large`, length, step in `small`)
// for every last-axis row of `large`.
template <class F>
void for_each_row(const Shape& small, const Shape& large, F row) {
  if (large.size() == 0) return;
  const BroadcastSteps small_steps(small, large);
  const int last = large.rank() - 1;
  if (last < 0) return row(Index{0}, Index{0}, Index{1}, Index{0});
  const Index length = large[last];
  Index at[Shape::max_rank] = {};
  Index offset = 0;
  for (Index start = 0; start < large.size(); start += length) {
    row(offset, start, length, small_steps.steps[last]);
    for (int axis = last - 1; axis >= 0; --axis) {
      offset += small_steps.steps[axis];
      if (++at[axis] < large[axis]) break;
      offset -= small_steps.steps[axis] * large[axis];
      at[axis] = 0;
    }
  }
}

// `large` as channels that sums to `small` keep apart: where the axes that are not repeated are
// neighbours.
std::optional<Channels> channels_of(const Shape& small, const Shape& large) {
  const int rank = large.rank();
  const auto size = [&, absent = rank - small.rank()](int axis) {
    return axis < absent ? 1 : small[axis - absent];
  };
  Channels of{1, 1, 1};
  int axis = 0;
  for (; axis < rank && size(axis) == 1; ++axis) of.outer *= large[axis];
  for (; axis < rank && size(axis) == large[axis]; ++axis) of.count *= large[axis];
  for (; axis < rank && size(axis) == 1; ++axis) of.inner *= large[axis];
  if (axis < rank) return std::nullopt;
  return of.count == 1 ? Channels{1, 1, of.outer * of.inner} : of;
}

Shape behind(const Shape& shape, int axes) {
  return Shape(std::span<const Index>(shape.begin() + axes, shape.end()));
}

struct Rows {
  explicit Rows(const Shape& shape)
      : cols(shape[shape.rank() - 1]), rows(cols == 0 ? 0 : shape.size() / cols) {}
  Index cols;
  Index rows;
};

}  // namespace

template <Scalar T>
const Loops<T>& choose_loops() {
  if constexpr (Real<T>) {
    return best_loops<T>();
  } else {
    return baseline::loops<T>();
  }
}

template <Real T>
const TrainingLoops<T>& training_loops() {
  static const TrainingLoops<T>& best = best_training_loops<T>();
  return best;
}

const ProductLoops* product_loops() {
  static const ProductLoops* best = best_product_loops();
  return best;
}

template <Scalar T>
void fill(T k, const Target<T>& out) {
  if (out.fresh) {
    std::fill(out.to.begin(), out.to.end(), k);
  } else {
    for (T& x : out.to) x += k;
  }
}

template <Scalar T>
void broadcast(View<const T> x, Target<T> out) {
  for_each_row(x.shape(), out.to.shape(), [&](Index from, Index to, Index n, Index step) {
    const T* source = x.data() + from;
    T* row = out.to.data() + to;
    if (step == 1) {
      loops<T>().copy(n, source, row, out.fresh);
    } else {
      fill<T>(*source, {View<T>(row, {n}), out.fresh});
    }
  });
}

template <Scalar T>
void reduce_to(View<const T> x, Target<T> out) {
  const Shape& small = out.to.shape();
  const Shape& large = x.shape();
  if (const std::optional<Channels> channels = channels_of(small, large)) {
    loops<T>().channel_sums(*channels, x.data(), out.to.data(), out.fresh);
    return;
  }
  const int absent = large.rank() - small.rank();
  if (absent == 0 && small[0] == large[0]) {
    const Shape row = behind(small, 1), block = behind(large, 1);
    for (Index i = 0; i < small[0]; ++i) {
      reduce_to<T>({x.data() + i * block.size(), block},
                   {{out.to.data() + i * row.size(), row}, out.fresh});
    }
    return;
  }
  int repeated = absent;
  while (small[repeated - absent] == 1) ++repeated;
  const Shape rest = behind(large, repeated);
  std::vector<T> sums(static_cast<std::size_t>(rest.size()));
  reduce_to<T>(x, {{sums.data(), rest}, true});
  reduce_to<T>({sums.data(), rest}, {{out.to.data(), behind(small, repeated - absent)}, out.fresh});
}

template <Scalar T>
void transpose(View<const T> x, Target<T> out) {
  const Index rows = x.shape()[0];
  const Index cols = x.shape()[1];
  assert(out.to.shape() == (Shape{cols, rows}));
  constexpr Index tile = 16;  // so that a tile's lines of both matrices stay in the first cache
  for (Index i0 = 0; i0 < rows; i0 += tile) {
    for (Index j0 = 0; j0 < cols; j0 += tile) {
      for (Index i = i0; i < std::min(i0 + tile, rows); ++i) {
        for (Index j = j0; j < std::min(j0 + tile, cols); ++j) {
          T& to = out.to.data()[j * rows + i];
          const T value = x.data()[i * cols + j];
          to = out.fresh ? value : to + value;
        }
      }
    }
  }
}

template <Scalar T>
void sum_axis(View<const T> x, int axis, Target<T> out) {
  const AxisSplit split = split_axis(x.shape(), axis);
  assert(out.to.size() == split.outer * split.inner);
  if (split.inner == 1) {
    loops<T>().row_sums(split.outer, split.n, x.data(), out.to.data(), out.fresh);
    return;
  }
  for (Index o = 0; o < split.outer; ++o) {
    loops<T>().column_sums(split.n, split.inner, x.data() + o * split.n * split.inner,
                           out.to.data() + o * split.inner, out.fresh);
  }
}

template <Scalar T>
void repeat_axis(View<const T> x, int axis, Target<T> out) {
  const AxisSplit split = split_axis(out.to.shape(), axis);
  assert(x.size() == split.outer * split.inner);
  if (split.inner == 1) {
    loops<T>().repeat_columns(split.outer, split.n, x.data(), out.to.data(), out.fresh);
    return;
  }
  for (Index o = 0; o < split.outer; ++o) {
    for (Index i = 0; i < split.n; ++i) {
      loops<T>().copy(split.inner, x.data() + o * split.inner,
                      out.to.data() + (o * split.n + i) * split.inner, out.fresh);
    }
  }
}

template <Scalar T>
void apply_rows(RowsLoop<T> f, View<const T> x, Target<T> out) {
  const Rows r(x.shape());
  f(r.rows, r.cols, x.data(), out.to.data(), out.fresh);
}

template <Scalar T>
void apply_rows(RowsBinaryLoop<T> f, View<const T> x, View<const T> y, Target<T> out) {
  const Rows r(x.shape());
  f(r.rows, r.cols, x.data(), y.data(), out.to.data(), out.fresh);
}

template <Scalar T>
void linear(View<const T> x, View<const T> w, View<const T> b, Target<T> out) {
  broadcast<T>(b, out);
  gemm<T>(Op::none, Op::transpose, x, w, {out.to, false});
}

#define TAPEGRAD_INSTANTIATE(T)                                                            \
  template const Loops<T>& choose_loops<T>();                                              \
  template void fill<T>(T, const Target<T>&);                                              \
  template void broadcast<T>(View<const T>, Target<T>);                                    \
  template void reduce_to<T>(View<const T>, Target<T>);                                    \
  template void transpose<T>(View<const T>, Target<T>);                                    \
  template void sum_axis<T>(View<const T>, int, Target<T>);                                \
  template void repeat_axis<T>(View<const T>, int, Target<T>);                             \
  template void apply_rows<T>(RowsLoop<T>, View<const T>, Target<T>);                      \
  template void apply_rows<T>(RowsBinaryLoop<T>, View<const T>, View<const T>, Target<T>); \
  template void linear<T>(View<const T>, View<const T>, View<const T>, Target<T>);

TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
TAPEGRAD_INSTANTIATE(Dual)
#undef TAPEGRAD_INSTANTIATE
template const TrainingLoops<float>& training_loops<float>();
template const TrainingLoops<double>& training_loops<double>();

}  // namespace tapegrad::kernels
