// Private to tensor/loops.cpp: matrix products as updates by one outer product after the other, of
// a column of a and a row of b. Internal to the instruction set's namespace, as loops_vectors.h is.
#pragma once

#include "tensor/loops_vectors.h"

#if defined(__FMA__)

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// A block of update_rows x update_vectors is kept in registers: its sums, the vectors of b's row,
// and a number of a's column in all lanes.
constexpr Index update_rows = lanes == 16 ? 8 : 4, update_vectors = 3;
constexpr Index half_rows = update_rows / 2;  // where no more are left

// Columns of b are copied to where they lie close together, a panel at a time, which serves many
// rows of the result: 24 KiB, or 48 at 16 lanes, where a panel that leaves a first cache of 32
// comes fast enough from the second. So are as many rows of a as stay in the second cache, which
// serve all panels. Both for a part of k at a time.
constexpr Index block_width = update_vectors * lanes;
constexpr Index panel = 2 * block_width;
constexpr Index update_length = 128;
constexpr Index panel_numbers = panel * update_length;
constexpr Index rows_together = 256 / update_rows * update_rows;
constexpr Index longest_part = panel_numbers / block_width;

// The numbers in a cache line, and which cache it is asked to be in by the time it is needed.
constexpr Index line = 16, second_cache = 2;

// Asks for columns [from, to) of rows [first, last) of a matrix.
inline void fetch(const float* matrix, Index row, Index first, Index last, Index from, Index to) {
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

// packed[l, c] = b[l, j0 + c]. What is beyond the last column is dropped later.
[[gnu::always_inline]] inline void pack_columns(const Product& p, Index j0, Index width,
                                                float* packed) {
  const Index columns = smaller(width, p.n - j0);
  const Index b_row = p.b_row;
  const float* from = p.b + j0;
  for (Index l = 0; l < p.k; ++l, from += b_row, packed += width) {
    if (columns == width) {
      for (Index c = 0; c < width; c += lanes) store(load(from + c), packed + c);
    } else {
      for (Index c = 0; c < width; ++c) packed[c] = c < columns ? from[c] : 0;
    }
  }
}

// to[l, c] = rows[c][l] for eight rows and eight l.
inline void turn_eight(const float* const* rows, float* to, Index width) {
  Eight pairs[8], fours[8];
  for (Index r = 0; r < 8; r += 2) {
    const Eight x = load_eight(rows[r]), y = load_eight(rows[r + 1]);
    pairs[r] = __builtin_shufflevector(x, y, 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[r + 1] = __builtin_shufflevector(x, y, 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (Index r = 0; r < 8; r += 4) {
    for (Index h = 0; h < 2; ++h) {
      const Eight x = pairs[r + h], y = pairs[r + 2 + h];
      fours[r + 2 * h] = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
      fours[r + 2 * h + 1] = __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (Index l = 0; l < 4; ++l) {
    const Eight x = fours[l], y = fours[l + 4];
    const Eight low = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11);
    const Eight high = __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15);
    memcpy(to + l * width, &low, sizeof low);
    memcpy(to + (l + 4) * width, &high, sizeof high);
  }
}

// packed[l, c] = b[j0 + c, start + l] of a b^T, where columns are stored as rows. Beyond the last
// one that is taken again.
[[gnu::always_inline]] inline void turn_columns(const Product& p, Index start, Index length,
                                                Index j0, Index width, float* packed) {
  const Index whole = length / 8 * 8;
  for (Index c = 0; c < width; c += 8) {
    const float* rows[8];
    for (Index r = 0; r < 8; ++r) rows[r] = p.b + smaller(j0 + c + r, p.n - 1) * p.b_row + start;
    for (Index l = 0; l < whole; l += 8) {
      turn_eight(rows, packed + l * width + c, width);
      for (Index r = 0; r < 8; ++r) rows[r] += 8;
    }
    for (Index l = whole; l < length; ++l) {
      for (Index r = 0; r < 8; ++r) packed[l * width + c + r] = rows[r][l - whole];
    }
  }
}

// packed[l, r] = rows[r][l * column]
[[gnu::always_inline]] inline void interleave(const float* const* rows, Index column, Index length,
                                              float* packed) {
  for (Index l = 0; l < length; ++l, packed += update_rows) {
    for (Index r = 0; r < update_rows; ++r) packed[r] = rows[r][l * column];
  }
}

// All rows of a, update_rows at a time: packed[l, r] = a[i + r, l]. Beyond the last row that is
// taken again.
inline void pack_rows(const Product& p, float* packed) {
  for (Index i = 0; i < p.m; i += update_rows, packed += update_rows * p.k) {
    const float* from[update_rows];
    for (Index r = 0; r < update_rows; ++r) from[r] = p.a + smaller(i + r, p.m - 1) * p.a_row;
    p.a_column == 1 ? interleave(from, 1, p.k, packed) : interleave(from, p.a_column, p.k, packed);
  }
}

// What becomes of a number of the result, or of a vector, when its part of the sum is there.
enum class Put { set, add, descend };

inline Put put_of(const Product& p, bool fresh) {
  if (p.descent != nullptr) return Put::descend;
  return fresh ? Put::set : Put::add;
}

inline Descent descent_of(const Product& p) {
  return p.descent != nullptr ? *p.descent : Descent{};
}

// A sum of -0 is set as 0: whether it had terms of 0, or these were left out, must not show.
[[gnu::always_inline]] inline void put(Put how, Descent by, Lanes sum, float* to) {
  if (how == Put::descend) {
    const Lanes w = load(to);
    store(w - all(by.lr) * (sum + all(by.weight_decay) * w), to);
  } else {
    store(sum + (how == Put::set ? all(0) : load(to)), to);
  }
}

[[gnu::always_inline]] inline void put(Put how, Descent by, float sum, float* to) {
  if (how == Put::descend) {
    *to -= by.lr * (sum + by.weight_decay * *to);
  } else {
    *to = sum + (how == Put::set ? 0 : *to);
  }
}

// sums[i, v] += a[i][l * a_column] times b[l * b_row] and what follows. What there is less of, of a
// column of a and a row of b, is kept in registers.
template <Index rows, Index vectors>
[[gnu::always_inline]] inline void add_outer_product(const float* const* a, Index a_column,
                                                     const float* b, Index b_row, Index l,
                                                     Lanes (&sums)[rows][vectors]) {
  if constexpr (vectors <= rows) {
    Lanes row[vectors];
    for (Index v = 0; v < vectors; ++v) row[v] = load(b + l * b_row + v * lanes);
    for (Index i = 0; i < rows; ++i) {
      const Lanes factor = all(a[i][l * a_column]);
      for (Index v = 0; v < vectors; ++v) sums[i][v] = fused(factor, row[v], sums[i][v]);
    }
  } else {
    Lanes column[rows];
    for (Index i = 0; i < rows; ++i) column[i] = all(a[i][l * a_column]);
    for (Index v = 0; v < vectors; ++v) {
      const Lanes factor = load(b + l * b_row + v * lanes);
      for (Index i = 0; i < rows; ++i) sums[i][v] = fused(column[i], factor, sums[i][v]);
    }
  }
}

// Some rows that are read soon, `row` apart, of which ahead_length numbers are asked for one line
// at a time, between outer products: few lines can be under way at once.
struct Ahead {
  const float* first = nullptr;
  Index row = 0;
  Index rows = 0;
};
constexpr Index ahead_length = 192;
constexpr Index steps_between = 2, steps_per_row = ahead_length / line * steps_between;

// Puts a whole block's sums of `length` outer products to `out`.
template <Index rows, Index vectors>
[[gnu::always_inline]] inline void update_block(const float* const* a, Index a_column,
                                                const float* b, Index b_row, Index length,
                                                const Ahead& ahead, float* out, Index out_row,
                                                Put how, Descent by) {
  Lanes sums[rows][vectors];
  for (Index i = 0; i < rows; ++i) {
    for (Index v = 0; v < vectors; ++v) sums[i][v] = all(0);
  }
  Index l = 0;
  for (Index r = 0; r < ahead.rows; ++r) {
    const float* next = ahead.first + r * ahead.row;
    for (Index c = 0; c < ahead_length; c += line) {
      __builtin_prefetch(next + c, 0, second_cache);
      for (Index step = 0; step < steps_between; ++step, ++l) {
        add_outer_product<rows, vectors>(a, a_column, b, b_row, l, sums);
      }
    }
  }
#pragma GCC unroll unrolled
  for (; l < length; ++l) add_outer_product<rows, vectors>(a, a_column, b, b_row, l, sums);
  if (lanes == 16 && how == Put::set) {  // lines only written would come one by one
    for (Index i = 0; i < rows; ++i) {
      for (Index v = 0; v < vectors; ++v) __builtin_prefetch(out + i * out_row + v * lanes);
    }
  }
  for (Index i = 0; i < rows; ++i) {
    for (Index v = 0; v < vectors; ++v) put(how, by, sums[i][v], out + i * out_row + v * lanes);
  }
}

// The block at (i0, j0) of the result, of which the rows and columns that are there are written.
template <Index rows = update_rows, Index vectors = update_vectors>
[[gnu::always_inline]] inline void update_block_at(const Product& p, Index i0, Index j0,
                                                   const float* const* a, Index a_column,
                                                   const float* b, Index b_row, Index length,
                                                   bool fresh, const Ahead& ahead = {}) {
  constexpr Index width = vectors * lanes;
  float* out = p.out + i0 * p.out_row + j0;
  const Index rows_there = smaller(rows, p.m - i0);
  const Index columns_there = smaller(width, p.n - j0);
  const Put how = put_of(p, fresh);
  const Descent by = descent_of(p);
  if (rows_there == rows && columns_there == width) {
    update_block<rows, vectors>(a, a_column, b, b_row, length, ahead, out, p.out_row, how, by);
    return;
  }
  float block[rows * width];
  update_block<rows, vectors>(a, a_column, b, b_row, length, ahead, block, width, Put::set, by);
  for (Index i = 0; i < rows_there; ++i) {
    for (Index c = 0; c < columns_there; ++c) {
      put(how, by, block[i * width + c], out + i * p.out_row + c);
    }
  }
}

// The blocks of update_rows rows in a panel; of half as many or fewer, one block of half the rows
// and the whole width of a panel.
[[gnu::always_inline]] inline void update_panel_at(const Product& p, Index i, Index j0, Index width,
                                                   const float* const* a, const float* packed) {
  if (width == panel && p.m - i <= half_rows) {
    update_block_at<half_rows, 2 * update_vectors>(p, i, j0, a, update_rows, packed, width, p.k,
                                                   p.fresh);
    return;
  }
  for (Index j = j0; j < smaller(j0 + width, p.n); j += block_width) {
    update_block_at(p, i, j, a, update_rows, packed + (j - j0), width, p.k, p.fresh);
  }
}

// All rows in panels of a width, from column `first` on.
[[gnu::always_inline]] inline void update_panels(const Product& p, Index width,
                                                 const float* packed_rows, Index first) {
  alignas(64) float packed[panel_numbers];
  const Index share = share_of(p.k, share_of(p.m, update_rows));
  for (Index j0 = first; j0 < p.n; j0 += width) {
    if (p.b_transposed) {
      turn_columns(p, 0, p.k, j0, width, packed);
    } else {
      pack_columns(p, j0, width, packed);
    }
    Index fetched = 0;  // of the next panel, meanwhile
    for (Index i = 0; i < p.m; i += update_rows, fetched += share) {
      if (!p.b_transposed) {  // rows of b^T are long enough to be foreseen
        fetch(p.b, p.b_row, fetched, smaller(fetched + share, p.k), j0 + width,
              smaller(j0 + 2 * width, p.n));
      }
      const float* a[update_rows];
      for (Index r = 0; r < update_rows; ++r) a[r] = packed_rows + i * p.k + r;
      update_panel_at(p, i, j0, width, a, packed);
    }
  }
}

// A product of up to rows_together rows and sums of up to longest_part, from column `first` on. A
// panel is narrow where k fills it.
inline void outer_updates(const Product& p, Index first) {
  // on the stack: a step along a product must not run out of memory half-way
  alignas(64) float packed_rows[rows_together * longest_part];
  pack_rows(p, packed_rows);
  if (p.k <= update_length) {
    update_panels(p, panel, packed_rows, first);
  } else {
    update_panels(p, block_width, packed_rows, first);
  }
}

// The columns of b were copied by the caller, as pack_columns does.
void packed_updates(const Product& p) {
  for (Index start = 0; start < p.k; start += update_length) {
    const Index length = smaller(update_length, p.k - start);
    for (Index i = 0; i < p.m; i += update_rows) {
      const float* a[update_rows];
      for (Index r = 0; r < update_rows; ++r) {
        a[r] = p.a + smaller(i + r, p.m - 1) * p.a_row + start * p.a_column;
      }
      for (Index j = 0; j < p.n; j += block_width) {
        update_block_at(p, i, j, a, p.a_column, p.b + start * panel + j, panel, length,
                        p.fresh && start == 0);
      }
    }
  }
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
