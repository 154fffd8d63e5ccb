#include "tensor/products.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "tensor/runtime.h"

namespace tapegrad::kernels {
namespace {

// `rows_by_rows` says that the product is a b^T. Beyond these bounds the columns of a block that
// are not there (small n) and copying (small m) cost more than is saved; `script/bench kernels` has
// some products at them.
constexpr Index many_columns = 256;

// Beside OpenBLAS's kernels for Zen: 0.5 to 1.05 of its time, and 0.2 to 0.9 for fewer than 24
// columns.
Way choose_at_avx2(bool rows_by_rows, Index m, Index n, Index k) {
  if (rows_by_rows && n < many_columns) {
    if (k >= 128) return n >= 5 ? Way::narrow : Way::blas;
    return n >= 24 && k >= 32 ? Way::updates : Way::blas;
  }
  if (k < 8) return Way::blas;
  if (n < many_columns) return n >= 64 && k <= 64 ? Way::updates : Way::blas;
  return m >= 32 || k <= 1024 ? Way::updates : Way::blas;
}

// Beside its kernels for SkylakeX: 0.2 to 1.1. It has others for small matrices, which leave their
// operands where they are. Fewer than 48 columns are dot products here; more than 12 of them pay
// when they are long.
Way choose_at_avx512(bool rows_by_rows, Index m, Index n, Index k) {
  const bool small = m * n * k <= 1'000'000;
  if (n >= many_columns) return k >= 8 && (rows_by_rows || !small) ? Way::updates : Way::blas;
  if (!rows_by_rows || m < 16) return Way::blas;
  if (k < 128) return n >= 128 && k >= 32 ? Way::updates : Way::blas;
  const bool dots = !small && n >= 5 && (n <= 12 || k >= 384);
  return n >= 48 || dots ? Way::narrow : Way::blas;
}

// Cuts one side of a product, [0, length), at multiples of `step` into about as many pieces as
// there are threads, or more where those are long, so that a thread that is held up leaves more to
// the others. What takes some ten microseconds is not worth handing over.
Index piece_length(const Product& p, Index length, Index step) {
  constexpr Index long_piece = 768, worth_sharing = Index{1} << 19;
  const Index count = threads();
  if (count == 1 || p.m * p.n * p.k < worth_sharing) return length;
  const Index pieces = count * std::clamp<Index>(length / (count * long_piece), 1, 4);
  return (length + pieces * step - 1) / (pieces * step) * step;
}

void compute_narrow(const ProductLoops& own, const Product& p) {
  for_each_piece(p.m, piece_length(p, p.m, own.row_step), [&](Index first, Index last) {
    Product piece = p;
    piece.m = last;
    own.narrow(piece, first);
  });
}

// The longer side is cut: what each piece copies for itself is then the smaller operand.
void compute_updates(const ProductLoops& own, const Product& p) {
  const bool columns = p.n >= p.m;
  const Index length = columns ? p.n : p.m;
  const Index step = columns ? own.column_step : own.row_step;
  for_each_piece(length, piece_length(p, length, step), [&](Index first, Index last) {
    Product piece = p;
    if (columns) {
      piece.n = last;
    } else {
      piece.m = last - first;
      piece.a += first * p.a_row;
      piece.out += first * p.out_row;
    }
    own.updates(piece, columns ? first : 0);
  });
}

Product product(Op op_a, Op op_b, View<const float> a, View<const float> b, Target<float> out) {
  const bool a_transposed = op_a == Op::transpose;
  const Index m = out.to.shape()[0];
  const Index n = out.to.shape()[1];
  const Index k = a.shape()[a_transposed ? 0 : 1];
  return {.m = m,
          .n = n,
          .k = k,
          .a = a.data(),
          .a_row = a_transposed ? 1 : k,
          .a_column = a_transposed ? m : 1,
          .b = b.data(),
          .b_row = b.shape()[1],
          .out = out.to.data(),
          .out_row = n,
          .fresh = out.fresh,
          .b_transposed = op_b == Op::transpose};
}

}  // namespace

// OpenBLAS copies both operands into an order of its own, which pays when each number is used often
// enough. Ours copy less, and little at a time.
Way choose_way(const ProductLoops* own, Op op_a, Op op_b, Index m, Index n, Index k) {
  if (own == nullptr || m < 5) return Way::blas;
  const bool rows_by_rows = op_a == Op::none && op_b == Op::transpose;
  return own->lanes == 16 ? choose_at_avx512(rows_by_rows, m, n, k)
                          : choose_at_avx2(rows_by_rows, m, n, k);
}

bool compute_own_product(Op op_a, Op op_b, View<const float> a, View<const float> b,
                         Target<float> out) {
  const ProductLoops* own = product_loops();
  const Product p = product(op_a, op_b, a, b, out);
  const Way way = choose_way(own, op_a, op_b, p.m, p.n, p.k);
  if (way == Way::blas) return false;
  way == Way::narrow ? compute_narrow(*own, p) : compute_updates(*own, p);
  return true;
}

bool can_descend_along(const Shape& a, const Shape& b) {
  const ProductLoops* own = product_loops();
  return choose_way(own, Op::transpose, Op::none, a[1], b[1], a[0]) == Way::updates &&
         a[0] <= own->longest_descent;
}

void descend_along(View<const float> a, View<const float> b, Descent by, View<float> w) {
  assert(can_descend_along(a.shape(), b.shape()));
  Product p = product(Op::transpose, Op::none, a, b, w);
  p.descent = &by;
  compute_updates(*product_loops(), p);
}

std::string blas_warning(const char* core_type, std::string_view core,
                         std::string_view instruction_set) {
  if (core_type == nullptr) return {};
  constexpr std::string_view with_avx512[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
  constexpr std::string_view with_avx2[] = {"Haswell", "Zen"};
  const auto contains = [=](const auto& cores) {
    return std::find(std::begin(cores), std::end(cores), core) != std::end(cores);
  };
  const bool best = contains(with_avx512) || (contains(with_avx2) && instruction_set != "v4") ||
                    instruction_set == "baseline";
  if (best) return {};
  return fmt::format(
      "OPENBLAS_CORETYPE={} holds OpenBLAS to its {} kernels, which leave instructions of this "
      "processor unused: matrix products are slower than without the variable (unset "
      "OPENBLAS_CORETYPE)",
      core_type, core);
}

}  // namespace tapegrad::kernels
