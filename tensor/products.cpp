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

// Beyond these bounds the columns of a block that are not there (small n), copying (small m) and
// the sums' way from and to memory (small k) cost more than is saved.
bool best_by_updates(const ProductLoops& own, Op op_b, Index m, Index n, Index k) {
  if (m < 5 || k < 64) return false;
  if (!own.large_updates) {
    constexpr Index in_the_second_cache = Index{128} * 1024;
    return op_b == Op::none && m <= 128 && n >= 1024 && m * k <= in_the_second_cache;
  }
  constexpr Index cut_by_blas = Index{1} << 26;
  return n >= 256 && (k <= 256 || m * n * k >= cut_by_blas);
}

// Cuts [0, length) at multiples of `step` into about as many pieces as there are threads, or more
// where those are long, so that a thread that is held up leaves more to the others.
Index piece_length(Index length, Index step) {
  constexpr Index long_piece = 384;
  const Index count = threads();
  if (count == 1) return length;
  const Index pieces = count * std::clamp<Index>(length / (count * long_piece), 1, 4);
  return (length + pieces * step - 1) / (pieces * step) * step;
}

void compute_dots(const ProductLoops& own, Product p) {
  // One thread takes everything at once: it reads the other operand's cached part less often, and
  // a copy of that part, which each piece would make for itself, pays.
  const bool whole = threads() == 1;
  if (whole) p.room = room_for(p.n * own.dot_room);
  for_each_piece(p.m, whole ? p.m : own.row_step,
                 [&](Index first, Index last) { own.dots(p, first, last); });
}

// The longer side is cut: what each piece copies for itself is then the smaller operand.
void compute_updates(const ProductLoops& own, const Product& p) {
  const bool columns = p.n >= p.m;
  const Index length = columns ? p.n : p.m;
  for_each_piece(length, piece_length(length, own.column_step), [&](Index first, Index last) {
    Product piece = p;
    piece.room = room_for(own.update_room);
    if (!columns) {
      piece.m = last - first;
      piece.a += first * p.a_row;
      piece.out += first * p.out_row;
    }
    own.updates(piece, columns ? first : 0, columns ? last : p.n);
  });
}

}  // namespace

// OpenBLAS copies both operands into an order of its own, which pays when each number is used often
// enough. Our dots do without, or copy one once, and win where one side is short; our updates copy
// both, little at a time. Within these bounds they were measured at 0.2 to 1.1 of OpenBLAS's time,
// with AVX-512 beside its SkylakeX kernels and with AVX2 beside Haswell's and Zen's; large products
// at 0.95 to 1.0 of it, where OpenBLAS would be called for fixed pieces that cost up to 0.08.
Way choose_way(const ProductLoops* own, Op op_a, Op op_b, Index m, Index n, Index k) {
  if (own == nullptr) return Way::blas;
  const bool short_rows = 5 <= n && n <= (m <= 256 ? 100 : 50);
  if (op_a == Op::none && op_b == Op::transpose && m >= 32 && short_rows && k >= 1024) {
    return Way::dots;
  }
  return best_by_updates(*own, op_b, m, n, k) ? Way::updates : Way::blas;
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
                  .b_transposed = op_b == Op::transpose};
  way == Way::dots ? compute_dots(*own, p) : compute_updates(*own, p);
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
