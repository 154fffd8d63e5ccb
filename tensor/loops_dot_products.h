// Private to tensor/loops.cpp: matrix products whose elements are dot products of rows of a and
// rows of b, as they lie in memory. Internal to the instruction set's namespace, as loops_vectors.h
// is.
#pragma once

#include "tensor/loops_vectors.h"

#if defined(__FMA__)

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// A block of dot_rows x dot_columns elements is kept in registers: its sums, lane by lane, the
// vectors of b's rows, and one of a's. dot_length is how much of the rows is worked through at a
// time: so much of a block's rows stays in the first cache, and of fifty rows of b in the second.
#if defined(__AVX512F__)
constexpr Index dot_rows = 5, dot_columns = 5;
constexpr Index dot_length = 1024;
constexpr bool copies_dot_rows = false;
#else
constexpr Index dot_rows = 4, dot_columns = 3;
constexpr Index dot_length = 768;
constexpr bool copies_dot_rows = true;
#endif

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

constexpr Index dot_block = dot_rows * dot_columns;
constexpr Index dot_sums = (dot_block + 3) / 4 * 4;  // they are added up by fours

// sums[i, j] += a[i][l] b[j][l], lane by lane. Rows often lie a multiple of 4096 bytes apart, where
// the processor does not foresee what is read next: either it is told here, once for each cache
// line, which is a vector of 16, or the rows of b are copied (see dots).
[[gnu::always_inline]] inline void add_dots(const float* const* a, const float* const* b,
                                            Index length, Lanes* sums) {
  [[maybe_unused]] constexpr Index ahead = 32;
  for (Index l = 0; l + lanes <= length; l += lanes) {
    if constexpr (!copies_dot_rows) {
      for (Index i = 0; i < dot_rows; ++i) __builtin_prefetch(a[i] + l + ahead);
      for (Index j = 0; j < dot_columns; ++j) __builtin_prefetch(b[j] + l + ahead);
    }
    Lanes column[dot_columns];
    for (Index j = 0; j < dot_columns; ++j) column[j] = load(b[j] + l);
    for (Index i = 0; i < dot_rows; ++i) {
      const Lanes row = load(a[i] + l);
      for (Index j = 0; j < dot_columns; ++j) {
        Lanes& sum = sums[i * dot_columns + j];
        sum = fused(row, column[j], sum);
      }
    }
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

// Rows of b from some column on, where they lie or copied.
struct Rows {
  const float* first;
  Index row;  // how far they lie apart
};

// Adds one block's dot products along [start, start + length) of the rows. Beyond the last row the
// last one is taken again and its sums are dropped, so that every block is computed alike.
inline void dot_block_at(const Product& p, Rows rows_of_b, Index i0, Index j0, Index start,
                         Index length) {
  const float* a[dot_rows];
  const float* b[dot_columns];
  for (Index i = 0; i < dot_rows; ++i) a[i] = p.a + smaller(i0 + i, p.m - 1) * p.a_row + start;
  for (Index j = 0; j < dot_columns; ++j) {
    b[j] = rows_of_b.first + smaller(j0 + j, p.n - 1) * rows_of_b.row;
  }
  Lanes sums[dot_sums];
  for (Index s = 0; s < dot_sums; ++s) sums[s] = all(0);
  add_dots(a, b, length, sums);
  const Index whole = length / lanes * lanes;
  if (whole < length) {
    float padded[dot_rows + dot_columns][lanes];
    pad_rows(dot_rows, whole, length, a, padded);
    pad_rows(dot_columns, whole, length, b, padded + dot_rows);
    add_dots(a, b, lanes, sums);
  }
  float totals[dot_sums];
  for (Index s = 0; s < dot_sums; s += 4) {
    const Four four = four_sums(sums + s);
    memcpy(totals + s, &four, sizeof four);
  }
  float* out = p.out + i0 * p.out_row + j0;
  const Index rows = smaller(dot_rows, p.m - i0);
  const Index columns = smaller(dot_columns, p.n - j0);
  if (rows == dot_rows && columns == dot_columns) {  // with constant bounds: without loops
    for (Index i = 0; i < dot_rows; ++i) {
      // cppcheck-suppress uninitvar ; the copies above fill all of it
      for (Index j = 0; j < dot_columns; ++j) out[i * p.out_row + j] += totals[i * dot_columns + j];
    }
  } else {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < columns; ++j) out[i * p.out_row + j] += totals[i * dot_columns + j];
    }
  }
}

// The rows of b from `start` on: copied, if there is room, to lie close together.
inline Rows rows_from(const Product& p, Index start, Index length) {
  if (p.room == nullptr) return {p.b + start, p.b_row};
  for (Index j = 0; j < p.n; ++j) {
    memcpy(p.room + j * length, p.b + j * p.b_row + start,
           static_cast<unsigned long>(length) * sizeof(float));
  }
  return {p.room, length};
}

void dots(const Product& p, Index first, Index last) {
  if (p.fresh) {
    for (Index i = first; i < last; ++i) {
      for (Index j = 0; j < p.n; ++j) p.out[i * p.out_row + j] = 0;
    }
  }
  for (Index start = 0; start < p.k; start += dot_length) {
    const Index length = smaller(dot_length, p.k - start);
    const Rows b = rows_from(p, start, length);
    const Index share = share_of(length, share_of(p.n, dot_columns));
    for (Index i = first; i < last; i += dot_rows) {
      Index fetched = start;  // of the next rows of a, meanwhile
      for (Index j = 0; j < p.n; j += dot_columns, fetched += share) {
        if constexpr (copies_dot_rows) {
          fetch(p.a, p.a_row, i + dot_rows, smaller(i + 2 * dot_rows, last), fetched,
                smaller(fetched + share, start + length));
        }
        dot_block_at(p, b, i, j, start, length);
      }
    }
  }
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
