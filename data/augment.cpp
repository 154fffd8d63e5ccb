#include "data/augment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tensor/error.h"

namespace tapegrad::data {
namespace {

constexpr Index channels = 3;

// 31 random bits to a number in -max .. max; the bias is below max / 2^30.
Index to_shift(std::uint64_t bits, Index max) {
  constexpr std::uint64_t mask = (std::uint64_t{1} << 31) - 1;
  const auto choices = static_cast<std::uint64_t>(2 * max + 1);
  return static_cast<Index>(((bits & mask) * choices) >> 31) - max;
}

// The rows or columns [begin, end).
struct Range {
  Index begin;
  Index end;
};

// Those that are still inside after a move by `shift`.
Range inside(Index shift, Index side) {
  return {std::max<Index>(0, shift), std::min(side, side + shift)};
}

// Eight bytes at a time: byte by byte takes longer than standardising.
void reverse(const std::uint8_t* from, Index n, std::uint8_t* to) {
  Index i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, from + n - i - 8, 8);
    eight = __builtin_bswap64(eight);
    std::memcpy(to + i, &eight, 8);
  }
  for (; i < n; ++i) to[i] = from[n - 1 - i];
}

// A few columns of many rows: going down each column is faster than along each row.
template <Real T>
void clear_columns(T* plane, Index side, Range columns) {
  for (Index x = columns.begin; x < columns.end; ++x) {
    for (Index y = 0; y < side; ++y) plane[y * side + x] = T(0);
  }
}

}  // namespace

Move draw_move(const Augment& augment, Rng rng, std::uint64_t i) {
  rng.seek(i);
  const std::uint64_t bits = rng.bits();
  return {augment.flip && (bits >> 63) != 0, to_shift(bits, augment.max_shift),
          to_shift(bits >> 31, augment.max_shift)};
}

Index augmented_side(const Augment& augment, Index features) {
  const Index pixels = features / channels;
  const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(pixels))));
  if (channels * side * side != features) {
    throw DataError(fmt::format(
        "augment: images of {} bytes are not 3 square channels, so they cannot be moved",
        features));
  }
  if (augment.max_shift < 0 || augment.max_shift >= side) {
    throw DataError(fmt::format("augment: max_shift is {}, but must be in 0 .. {}",
                                augment.max_shift, side - 1));
  }
  return side;
}

void move_image(std::span<const std::uint8_t> image, const Move& move, Index side,
                std::span<std::uint8_t> moved) {
  const Index size = channels * side * side;
  assert(std::ssize(image) == size && std::ssize(moved) == size);
  const std::uint8_t* from = image.data();
  if (move.flip) {
    for (Index row = 0; row < size; row += side) reverse(from + row, side, moved.data() + row);
    from = moved.data();
  }
  // In one run: a row's or channel's end reaches the next one only where that came in from outside.
  const Index offset = move.down * side + move.right;
  std::memmove(moved.data() + std::max<Index>(0, offset), from + std::max<Index>(0, -offset),
               static_cast<std::size_t>(size - std::abs(offset)));
}

template <Real T>
void clear_outside(const Move& move, Index side, std::span<T> x) {
  const Range rows = inside(move.down, side);
  const Range columns = inside(move.right, side);
  for (Index c = 0; c < channels; ++c) {
    T* plane = x.data() + c * side * side;
    std::fill(plane, plane + rows.begin * side, T(0));
    std::fill(plane + rows.end * side, plane + side * side, T(0));
    clear_columns(plane, side, {0, columns.begin});
    clear_columns(plane, side, {columns.end, side});
  }
}

template void clear_outside(const Move&, Index, std::span<float>);
template void clear_outside(const Move&, Index, std::span<double>);

}  // namespace tapegrad::data
