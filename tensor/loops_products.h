// Private to tensor/loops.cpp: the table of our own matrix products. Internal to the instruction
// set's namespace, as loops_functions.h is; empty where there is no fused multiply-add.
#pragma once

#include "tensor/loops_narrow_products.h"
#include "tensor/loops_sparse_products.h"
#include "tensor/loops_windows.h"

#if defined(__FMA__)
namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// Some rows and a part of k at a time. What is a part decides over a sum's bits, so it must depend
// on k alone.
void updates(const Product& p, Index first) {
  for (Index start = 0; start < p.k; start += longest_part) {
    for (Index i = 0; i < p.m; i += rows_together) {
      Product part = p;
      part.m = smaller(rows_together, p.m - i);
      part.k = smaller(longest_part, p.k - start);
      part.a += i * p.a_row + start * p.a_column;
      part.b += start * (p.b_transposed ? 1 : p.b_row);
      part.out += i * p.out_row;
      part.fresh = p.fresh && start == 0;
      const Index rest = sparse_updates(part, first);
      if (rest < part.n) outer_updates(part, rest);
    }
  }
}

constexpr ProductLoops product_table = {.lanes = lanes,
                                        .row_step = half_rows,
                                        .column_step = block_width,
                                        .tile_columns = panel,
                                        .longest_descent = longest_part,
                                        .narrow = narrow,
                                        .updates = updates,
                                        .packed_updates = packed_updates,
                                        .pack_windows = pack_windows};

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
