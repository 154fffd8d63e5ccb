#include "data/augment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

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

// The part [begin, end) of a row or column that stays inside when moved by `shift`.
struct Inside {
  Index begin;
  Index end;
};
Inside inside(Index shift, Index side) {
  return {std::max<Index>(0, shift), std::min(side, side + shift)};
}

}  // namespace

Move draw_move(const Augment& augment, Rng rng, std::uint64_t i) {
  rng.seek(i);
  const std::uint64_t bits = rng.bits();
  return {augment.flip && (bits >> 63) != 0, to_shift(bits, augment.max_shift),
          to_shift(bits >> 31, augment.max_shift)};
}

Index augmented_side(const Augment& augment, Index features) {
  const auto side =
      static_cast<Index>(std::lround(std::sqrt(static_cast<double>(features / channels))));
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
  assert(image.size() == moved.size() && std::ssize(image) == channels * side * side);
  std::fill(moved.begin(), moved.end(), std::uint8_t{0});
  const Inside rows = inside(move.down, side);
  const Inside columns = inside(move.right, side);
  for (Index c = 0; c < channels; ++c) {
    for (Index y = rows.begin; y < rows.end; ++y) {
      const std::uint8_t* from = image.data() + (c * side + y - move.down) * side;
      std::uint8_t* to = moved.data() + (c * side + y) * side + columns.begin;
      const Index n = columns.end - columns.begin;
      const Index first = columns.begin - move.right;  // of the mirrored row
      if (move.flip) {
        std::reverse_copy(from + side - first - n, from + side - first, to);
      } else {
        std::copy(from + first, from + first + n, to);
      }
    }
  }
}

template <Real T>
void clear_outside(const Move& move, Index side, std::span<T> x) {
  const Inside rows = inside(move.down, side);
  const Inside columns = inside(move.right, side);
  for (Index c = 0; c < channels; ++c) {
    for (Index y = 0; y < side; ++y) {
      T* row = x.data() + (c * side + y) * side;
      const bool out = y < rows.begin || y >= rows.end;
      std::fill(row, row + (out ? side : columns.begin), T(0));
      std::fill(row + columns.end, row + side, T(0));
    }
  }
}

template void clear_outside(const Move&, Index, std::span<float>);
template void clear_outside(const Move&, Index, std::span<double>);

}  // namespace tapegrad::data
