// Private to tensor/: which way a matrix product is computed, and on which threads. However a
// product is cut into pieces, its bits do not depend on the number of threads: in our own products
// an element's sum is the same in any piece, and OpenBLAS's pieces depend on the shape alone.
#pragma once

#include <string>
#include <string_view>

#include "tensor/kernels.h"
#include "tensor/pieces.h"

namespace tapegrad::kernels {

/// How a product of floats is computed: by OpenBLAS, or in one of our own ways (ProductLoops).
enum class Way : std::uint8_t { blas, narrow, updates };

/// The fastest way for op(a) [m, k] times op(b) [k, n], given our own loops (null: none).
Way choose_way(const ProductLoops* own, Op op_a, Op op_b, Index m, Index n, Index k);

/// Our own products for the best instruction set this processor runs; null where it has none.
const ProductLoops* product_loops();

/// Computes the product when one of our own ways is the fastest, else does nothing and returns
/// false.
bool compute_own_product(Op op_a, Op op_b, View<const float> a, View<const float> b,
                         Target<float> out);

/// blas_warning() for a value of OPENBLAS_CORETYPE (null: not set), OpenBLAS's kernels, and the
/// instruction set of the loops.
std::string blas_warning(const char* core_type, std::string_view core,
                         std::string_view instruction_set);

}  // namespace tapegrad::kernels
