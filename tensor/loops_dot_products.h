// Private to tensor/loops.cpp: elements of a matrix product as dot products of rows of a and rows
// of b, as they lie in memory. Internal to the instruction set's namespace, as loops_vectors.h
// is.
#pragma once

#include "tensor/loops_vectors.h"

#if defined(__FMA__)

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// A block of dot_rows x dot_columns elements is kept in registers: its sums, lane by lane, the
// vectors of b's rows, and one of a's.
constexpr Index dot_rows = lanes == 16 ? 8 : 4, dot_columns = 3;
constexpr bool foretells_rows = lanes == 16;

// The sum of each of four vectors' lanes.
inline Four four_sums(const Lanes* v) {
  const Four a = quarters(v[0]), b = quarters(v[1]), c = quarters(v[2]), d = quarters(v[3]);
  const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Four ab = ab_low + ab_high;
  const Four cd = cd_low + cd_high;
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

// sums[i, j] += a[i][l] b[j][l] for a vector of l.
template <Index columns>
[[gnu::always_inline]] inline void add_products(const float* const* a, const float* const* b,
                                                Index l, Lanes* sums) {
  Lanes column[columns];
  for (Index j = 0; j < columns; ++j) column[j] = load(b[j] + l);
  for (Index i = 0; i < dot_rows; ++i) {
    const Lanes row = load(a[i] + l);
    for (Index j = 0; j < columns; ++j) {
      Lanes& sum = sums[i * columns + j];
      sum = fused(row, column[j], sum);
    }
  }
}

// The same for all l that fill vectors. Rows often lie a multiple of 4096 bytes apart, where some
// processors do not foresee what is read next: they are told, once for each cache line, which is a
// vector of 16.
template <Index columns>
[[gnu::always_inline]] inline void add_dots(const float* const* a, const float* const* b,
                                            Index length, Lanes* sums) {
  [[maybe_unused]] constexpr Index ahead = 32;
#pragma GCC unroll unrolled
  for (Index l = 0; l + lanes <= length; l += lanes) {
    if constexpr (foretells_rows) {
      for (Index i = 0; i < dot_rows; ++i) __builtin_prefetch(a[i] + l + ahead);
      for (Index j = 0; j < columns; ++j) __builtin_prefetch(b[j] + l + ahead);
    }
    add_products<columns>(a, b, l, sums);
  }
}

// Copies the last elements of each row, fewer than fill a vector, and zeros after them.
inline void pad_rows(Index count, Index from, Index to, const float** rows,
                     float (*padded)[lanes]) {
  for (Index i = 0; i < count; ++i) {
    for (Index l = 0; l < lanes; ++l) padded[i][l] = from + l < to ? rows[i][from + l] : 0;
    rows[i] = padded[i];
  }
}

// Adds one block's dot products along [start, start + length) of the rows. Beyond the last row of a
// the last one is taken again and its sums are dropped, so that every block is computed alike.
template <Index columns>
inline void dot_block_at(const Product& p, Index i0, Index j0, Index start, Index length) {
  const float* a[dot_rows];
  const float* b[columns];
  for (Index i = 0; i < dot_rows; ++i) a[i] = p.a + smaller(i0 + i, p.m - 1) * p.a_row + start;
  for (Index j = 0; j < columns; ++j) b[j] = p.b + (j0 + j) * p.b_row + start;
  constexpr Index added_up = (dot_rows * columns + 3) / 4 * 4;  // they are, by fours
  Lanes sums[added_up];
  for (Index s = 0; s < added_up; ++s) sums[s] = all(0);
  add_dots<columns>(a, b, length, sums);
  const Index whole = length / lanes * lanes;
  if (whole < length) {
    float padded[dot_rows + columns][lanes];
    pad_rows(dot_rows, whole, length, a, padded);
    pad_rows(columns, whole, length, b, padded + dot_rows);
    add_products<columns>(a, b, 0, sums);
  }
  float totals[added_up];
  for (Index s = 0; s < added_up; s += 4) {
    const Four four = four_sums(sums + s);
    memcpy(totals + s, &four, sizeof four);
  }
  float* out = p.out + i0 * p.out_row + j0;
  const Index rows = smaller(dot_rows, p.m - i0);
  for (Index i = 0; i < rows; ++i) {
    // cppcheck-suppress uninitvar ; the copies above fill all of it
    for (Index j = 0; j < columns; ++j) out[i * p.out_row + j] += totals[i * columns + j];
  }
}

// The same for the columns from j0 on, of which there are fewer than fill a block.
template <Index columns>
inline void last_dots_at(const Product& p, Index i, Index j0, Index start, Index length) {
  if (p.n - j0 == columns) {
    dot_block_at<columns>(p, i, j0, start, length);
  } else if constexpr (columns > 1) {
    last_dots_at<columns - 1>(p, i, j0, start, length);
  }
}

// The dot_rows rows from i on, or those that are there: columns [first, n) += a b^T along
// [start, start + length).
inline void dots_at(const Product& p, Index i, Index first, Index start, Index length) {
  Index j = first;
  for (; j + dot_columns <= p.n; j += dot_columns)
    dot_block_at<dot_columns>(p, i, j, start, length);
  last_dots_at<dot_columns - 1>(p, i, j, start, length);
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
