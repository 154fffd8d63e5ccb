// Private to tensor/loops.cpp: matrix products for shapes at which a general library spends much of
// its time on rearranging its operands. Internal to the instruction set's namespace, as
// loops_functions.h is; empty where there is no fused multiply-add.
#pragma once

#include "tensor/loops.h"

#if defined(__FMA__)
#include <immintrin.h>
#include <string.h>

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// ---- vectors; under -ffp-contract=off no operator is a fused multiply-add ----

typedef float Four __attribute__((vector_size(16)));
typedef float Eight __attribute__((vector_size(32)));

inline Four halves(Eight v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
}

// A block of rows x columns of the result is kept in registers: its sums, the vectors of one
// operand, and one of the other. 32 registers of 16 numbers, or 16 of 8. Dots are blocks of single
// elements, updates of whole vectors. dot_length is how much of the rows is worked through at a
// time: so much of dot_rows + dot_columns rows stays in the first cache, and of fifty rows of b in
// the second.
#if defined(__AVX512F__)
typedef float Lanes __attribute__((vector_size(64)));
constexpr Index lanes = 16;
constexpr Index dot_rows = 5, dot_columns = 5;
constexpr Index update_rows = 5, update_vectors = 5, blocks_per_panel = 1;
constexpr Index update_limit = Index{128} * 1024;
constexpr Index dot_length = 1024;
constexpr bool copies_dot_rows = false;

inline Lanes all(float x) { return _mm512_set1_ps(x); }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
inline Four quarters(Lanes v) {
  return halves(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
}
#else
typedef Eight Lanes;
constexpr Index lanes = 8;
constexpr Index dot_rows = 4, dot_columns = 3;
constexpr Index update_rows = 4, update_vectors = 3, blocks_per_panel = 2;
constexpr Index update_limit = Index{64} * 128;
constexpr Index dot_length = 768;
constexpr bool copies_dot_rows = true;

inline Lanes all(float x) { return _mm256_set1_ps(x); }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
inline Four quarters(Lanes v) { return halves(v); }
#endif

inline Lanes load(const float* from) {
  Lanes v;
  memcpy(&v, from, sizeof v);
  return v;
}

inline void store(Lanes v, float* to) { memcpy(to, &v, sizeof v); }

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

inline Index smaller(Index a, Index b) { return a < b ? a : b; }

// Asks for columns [from, to) of rows [first, last) of a matrix to be in the second cache by the
// time they are needed.
inline void fetch(const float* matrix, Index row, Index first, Index last, Index from, Index to) {
  constexpr Index line = 16, second_cache = 2;
  for (Index r = first; r < last; ++r) {
    for (Index c = from; c < to; c += line) {
      __builtin_prefetch(matrix + r * row + c, 0, second_cache);
    }
  }
}

// The share of `length` that falls to each of `parts`, if there are any.
inline Index share_of(Index length, Index parts) {
  return parts > 0 ? (length + parts - 1) / parts : 0;
}

// ---- out[i, j] from rows of a and rows of b, both in order in memory: nothing is rearranged ----

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

// ---- out += a column of a times a row of b, for one l after the other ----

// Columns of b are copied to where they lie close together: `panel` of them, for update_length
// rows, fill most of the first cache, and serve all rows of the result.
constexpr Index block_width = update_vectors * lanes;
constexpr Index panel = blocks_per_panel * block_width;
constexpr Index update_length = 128;

// packed[l, c] = b[l, c], with zeros beyond the last column.
inline void pack_panel(const Product& p, Index start, Index length, Index j0, float* packed) {
  const Index columns = smaller(panel, p.n - j0);
  for (Index l = 0; l < length; ++l, packed += panel) {
    const float* from = p.b + (start + l) * p.b_row + j0;
    if (columns == panel) {
      for (Index c = 0; c < panel; c += lanes) store(load(from + c), packed + c);
    } else {
      for (Index c = 0; c < panel; ++c) packed[c] = c < columns ? from[c] : 0;
    }
  }
}

inline void update_block_at(const Product& p, Index i0, Index j0, const float* packed, Index start,
                            Index length, bool fresh) {
  const float* a[update_rows];
  for (Index i = 0; i < update_rows; ++i) {
    a[i] = p.a + smaller(i0 + i, p.m - 1) * p.a_row + start * p.a_column;
  }
  Lanes sums[update_rows][update_vectors];
  for (Index i = 0; i < update_rows; ++i) {
    for (Index v = 0; v < update_vectors; ++v) sums[i][v] = all(0);
  }
  for (Index l = 0; l < length; ++l) {
    Lanes row[update_vectors];
    for (Index v = 0; v < update_vectors; ++v) row[v] = load(packed + l * panel + v * lanes);
    for (Index i = 0; i < update_rows; ++i) {
      const Lanes factor = all(a[i][l * p.a_column]);
      for (Index v = 0; v < update_vectors; ++v) sums[i][v] = fused(factor, row[v], sums[i][v]);
    }
  }
  const Index columns = smaller(block_width, p.n - j0);
  for (Index i = 0; i < update_rows; ++i) {  // constant bounds keep the sums in registers
    if (i0 + i >= p.m) break;
    float* out = p.out + (i0 + i) * p.out_row + j0;
    if (columns == block_width) {
      for (Index v = 0; v < update_vectors; ++v) {
        float* to = out + v * lanes;
        store(fresh ? sums[i][v] : load(to) + sums[i][v], to);
      }
    } else {
      float row[block_width];
      memcpy(row, sums[i], sizeof row);
      for (Index c = 0; c < columns; ++c) out[c] = fresh ? row[c] : out[c] + row[c];
    }
  }
}

void updates(const Product& p, Index first, Index last) {
  alignas(64) float packed[update_length * panel];
  for (Index j0 = first; j0 < last; j0 += panel) {
    for (Index start = 0; start < p.k; start += update_length) {
      const Index length = smaller(update_length, p.k - start);
      pack_panel(p, start, length, j0, packed);
      const Index share = share_of(length, share_of(p.m, update_rows));
      Index fetched = start;  // of the next panel, meanwhile
      for (Index i = 0; i < p.m; i += update_rows, fetched += share) {
        fetch(p.b, p.b_row, fetched, smaller(fetched + share, start + length), j0 + panel,
              smaller(j0 + 2 * panel, last));
        for (Index j = j0; j < smaller(j0 + panel, p.n); j += block_width) {
          update_block_at(p, i, j, packed + (j - j0), start, length, p.fresh && start == 0);
        }
      }
    }
  }
}

// The columns of b were copied by the caller, as pack_panel copies them.
void packed_updates(const Product& p) {
  for (Index start = 0; start < p.k; start += update_length) {
    const Index length = smaller(update_length, p.k - start);
    for (Index i = 0; i < p.m; i += update_rows) {
      for (Index j = 0; j < p.n; j += block_width) {
        update_block_at(p, i, j, p.b + start * panel + j, start, length, p.fresh && start == 0);
      }
    }
  }
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
