// Private to tensor/loops.cpp: matrix products whose left operand has many zeros, as the gradient
// behind a ReLU has. Internal to the instruction set's namespace, as loops_vectors.h is.
#pragma once

#include "tensor/loops_outer_products.h"

#if defined(__FMA__)

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// A row of the result is the sum of b's rows, each times a factor; where that is zero the row of b
// is left out, which changes no sum: 0 times a finite number adds nothing. Some vectors of a row
// are summed in registers, from a panel of b that was copied to the first cache. Each number there
// is read for one multiply-add alone, which takes longer than in a block: it pays where enough is
// left out, and where there are rows enough to share a panel and columns enough to share factors.
constexpr Index sparse_vectors = lanes == 16 ? 6 : 8;
constexpr Index sparse_width = sparse_vectors * lanes;
constexpr Index sparse_length = update_length;
constexpr Index worth_keeping = lanes == 16 ? 60 : 70;  // percent of the factors, at most
constexpr Index enough_rows = 24, enough_columns = 480;

// The factors of a row that are not zero, and where in a panel the rows of b begin.
struct Factors {
  Index count;
  float factor[sparse_length];
  int place[sparse_length];
};

// Of `length` factors, `step` apart.
inline void find_factors(const float* from, Index step, Index length, Factors& found) {
  Index count = 0;
  for (Index l = 0; l < length; ++l) {
    const float factor = from[l * step];
    found.factor[count] = factor;
    found.place[count] = static_cast<int>(l * sparse_width);
    count += factor != 0;
  }
  found.count = count;
}

// How many of `rows` rows of `length` numbers are not zero, each row `step` behind the one before.
inline Index count_factors(const float* from, Index rows, Index length, Index step) {
  int count = 0;  // which fills as many lanes as numbers do
  for (Index r = 0; r < rows; ++r, from += step) {
    for (Index i = 0; i < length; ++i) count += from[i] != 0;
  }
  return count;
}

// Whether it pays in the columns from `first` on.
inline bool worth_finding_factors(const Product& p, Index first) {
  if (p.b_transposed || p.k > sparse_length) return false;
  if (p.m < enough_rows || p.n - first < enough_columns) return false;
  const Index count = p.a_row == 1      ? count_factors(p.a, p.k, p.m, p.a_column)
                      : p.a_column == 1 ? count_factors(p.a, p.m, p.k, p.a_row)
                                        : p.m * p.k;
  return 100 * count <= worth_keeping * p.m * p.k;
}

// Copies a panel, the columns from j0 on, and says whether all its numbers are finite.
inline bool pack_finite_columns(const Product& p, Index j0, float* packed) {
  Lanes zeros = all(0);  // or NaN
  const float* row = p.b + j0;
  for (Index l = 0; l < p.k; ++l, row += p.b_row, packed += sparse_width) {
    for (Index c = 0; c < sparse_width; c += lanes) {
      const Lanes numbers = load(row + c);
      store(numbers, packed + c);
      zeros = fused(numbers, all(0), zeros);
    }
  }
  const Four sums = quarters(zeros);
  return sums[0] + sums[1] + sums[2] + sums[3] == 0;
}

// Puts the sums of a row in a panel to `out`.
inline void sum_rows(const Factors& factors, const float* packed, Put how, Descent by, float* out) {
  Lanes sums[sparse_vectors];
  for (Index v = 0; v < sparse_vectors; ++v) {
    sums[v] = all(0);
    __builtin_prefetch(out + v * lanes);
  }
  for (Index t = 0; t < factors.count; ++t) {
    const Lanes factor = all(factors.factor[t]);
    const float* row = packed + factors.place[t];
    for (Index v = 0; v < sparse_vectors; ++v) {
      sums[v] = fused(factor, load(row + v * lanes), sums[v]);
    }
  }
  for (Index v = 0; v < sparse_vectors; ++v) put(how, by, sums[v], out + v * lanes);
}

// All rows in the panel of columns from j0 on; false, having done nothing, where 0 times a number
// may be NaN.
inline bool sum_rows_at(const Product& p, const Factors* factors, Index j0) {
  alignas(64) float packed[sparse_length * sparse_width];
  if (!pack_finite_columns(p, j0, packed)) return false;
  for (Index i = 0; i < p.m; ++i) {
    sum_rows(factors[i], packed, put_of(p, p.fresh), descent_of(p), p.out + i * p.out_row + j0);
  }
  return true;
}

// Columns from `first` on of a product of up to rows_together rows, panel by panel, as far as it
// pays to leave out zeros and all numbers are finite. Returns the first column that is still to be
// computed.
inline Index sparse_updates(const Product& p, Index first) {
  if (!worth_finding_factors(p, first)) return first;
  Factors factors[rows_together];
  for (Index i = 0; i < p.m; ++i) {
    find_factors(p.a + i * p.a_row, p.a_column, p.k, factors[i]);
  }
  Index j = first;
  while (j + sparse_width <= p.n && sum_rows_at(p, factors, j)) j += sparse_width;
  return j;
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
