// Private to tensor/loops.cpp: the table of our own matrix products. Internal to the instruction
// set's namespace, as loops_functions.h is; empty where there is no fused multiply-add.
#pragma once

#include "tensor/loops_narrow_products.h"
#include "tensor/loops_outer_products.h"
#include "tensor/loops_windows.h"

#if defined(__FMA__)
namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

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
