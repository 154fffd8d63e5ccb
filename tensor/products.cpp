#include "tensor/products.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace tapegrad::kernels {
namespace {

// A thread's room for copied rows, null for none. It stays, so that only the first product
// allocates.
float* room_for(Index numbers) {
  if (numbers == 0) return nullptr;
  thread_local std::vector<float> room;
  if (std::ssize(room) < numbers) room.resize(static_cast<std::size_t>(numbers));
  return room.data();
}

}  // namespace

// OpenBLAS copies both operands into an order of its own, which pays when each number is used often
// enough. Ours do without, or copy one once, and win where one side is short: within these bounds
// they were measured at 0.2 to 1.0 of OpenBLAS's time, with AVX-512 beside its SkylakeX kernels and
// with AVX2 beside Haswell's. Beyond them adding up the lanes (dots, small k), the columns of a
// block that are not there (updates, small n) or the second cache (large m) cost more than is
// saved.
Way choose_way(const ProductLoops* own, Op op_a, Op op_b, Index m, Index n, Index k) {
  if (own == nullptr) return Way::blas;
  if (op_a == Op::none && op_b == Op::transpose) {
    return m >= 32 && 5 <= n && n <= (m <= 256 ? 100 : 50) && k >= 1024 ? Way::dots : Way::blas;
  }
  if (op_b == Op::none) {
    return 5 <= m && m <= 128 && n >= 1024 && k >= 64 && m * k <= own->update_limit ? Way::updates
                                                                                    : Way::blas;
  }
  return Way::blas;
}

bool compute_own_product(Op op_a, Op op_b, View<const float> a, View<const float> b,
                         Target<float> out) {
  const ProductLoops* own = product_loops();
  const bool a_transposed = op_a == Op::transpose;
  const Index m = out.to.shape()[0];
  const Index n = out.to.shape()[1];
  const Index k = a.shape()[a_transposed ? 0 : 1];
  const Way way = choose_way(own, op_a, op_b, m, n, k);
  if (way == Way::blas) return false;
  const bool dots = way == Way::dots;
  // One thread takes everything at once: it reads the other operand's cached part less often, and
  // a copy of that part, which each piece would make for itself, pays.
  const bool whole = threads() == 1;
  const Product p{.m = m,
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
                  .room = dots && whole ? room_for(n * own->dot_room) : nullptr};
  const Index length = dots ? m : n;
  const Index step = dots ? own->row_step : own->column_step;
  for_each_piece(length, whole ? length : step, [&](Index first, Index last) {
    dots ? own->dots(p, first, last) : own->updates(p, first, last);
  });
  return true;
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
