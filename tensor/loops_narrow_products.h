// Private to tensor/loops.cpp: matrix products a b^T of few columns, which do without copying a.
// Internal to the instruction set's namespace, as loops_vectors.h is.
#pragma once

#include "tensor/loops_dot_products.h"
#include "tensor/loops_outer_products.h"

#if defined(__FMA__)

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// Where b's rows, turned, fill blocks of columns, these are updates by outer products: a turned
// part serves all rows of a, and the sums need not be added up across lanes. What is left of the
// columns are dot products. A turned part fills most of a first cache of 32 KiB, or of 48 at 16
// lanes.
constexpr Index turned_length = lanes == 16 ? ahead_length : 256;

// Without such blocks so much of the rows is worked through at a time: a block's rows stay in the
// first cache, and all rows of b in the second.
constexpr Index dot_length = 1024;
static_assert(dot_rows == update_rows);

// Asks for rows [first, last) of what is turned after the columns from j on: the next ones of the
// same part of k, or the first ones of the next part. Returns what is to be asked for one line at a
// time: on several threads all of it was changed lately, by another core in part, and a block has
// more of it.
inline Ahead fetch_turned_next(const Product& p, Index blocks_end, Index start, Index length,
                               Index j, Index first, Index last) {
  const bool next_part = j + block_width >= blocks_end;
  const Index row = next_part ? 0 : j + block_width;
  const Index from = next_part ? start + length : start;
  const Index rows = smaller(last, block_width) - first;
  const bool one_by_one = lanes == 16 && last - first > half_rows && rows > 0 &&
                          rows * steps_per_row <= length && from + ahead_length <= p.k;
  if (one_by_one) return {p.b + (row + first) * p.b_row + from, p.b_row, rows};
  fetch(p.b, p.b_row, row + first, row + first + rows, from, smaller(from + length, p.k));
  return {};
}

// The block of turned columns from j on in the rows from i on; half a block where no more are left.
[[gnu::always_inline]] inline void turned_block_at(const Product& p, Index i, Index j,
                                                   const float* turned, Index start, Index length,
                                                   const Ahead& ahead, bool fresh) {
  const float* a[update_rows];
  for (Index r = 0; r < update_rows; ++r) a[r] = p.a + smaller(i + r, p.m - 1) * p.a_row + start;
  if (p.m - i <= half_rows) {
    update_block_at<half_rows>(p, i, j, a, 1, turned, block_width, length, fresh, ahead);
  } else {
    update_block_at(p, i, j, a, 1, turned, block_width, length, fresh, ahead);
  }
}

// The rows from `first` on for a part of k: the dot products, and the first block of columns, while
// a block's rows of a are at hand; then the other blocks.
inline void narrow_part(const Product& p, Index blocks_end, Index start, Index length,
                        Index first) {
  alignas(64) float turned[turned_length * block_width];
  const bool fresh = p.fresh && start == 0;
  const Index share = share_of(block_width, share_of(p.m - first, update_rows));
  for (Index j = 0; j == 0 || j < blocks_end; j += block_width) {
    if (blocks_end > 0) turn_columns(p, start, length, j, block_width, turned);
    Index fetched = 0;  // of what is turned next, meanwhile
    for (Index i = first; i < p.m; i += update_rows, fetched += share) {
      if (blocks_end > 0) {
        const Ahead ahead =
            fetch_turned_next(p, blocks_end, start, length, j, fetched, fetched + share);
        turned_block_at(p, i, j, turned, start, length, ahead, fresh);
      }
      if (j == 0) dots_at(p, i, blocks_end, start, length);
    }
  }
}

void narrow(const Product& p, Index first) {
  const Index blocks_end = p.turned ? p.n / block_width * block_width : 0;
  if (p.fresh) {
    for (Index i = first; i < p.m; ++i) {
      for (Index j = blocks_end; j < p.n; ++j) p.out[i * p.out_row + j] = 0;
    }
  }
  const Index part = blocks_end > 0 ? turned_length : dot_length;
  for (Index start = 0; start < p.k; start += part) {
    narrow_part(p, blocks_end, start, smaller(part, p.k - start), first);
  }
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
