// Products that leave out zeros, as tensor/loops_sparse_products.h has them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tensor/kernels.h"
#include "tests/catch.h"
#include "tests/tensor/product_operands.h"
#include "tests/tensor/product_tables.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

// Of the kinds of products those that may leave out zeros.
constexpr Kind sparse_kinds[] = {{"a b", false, false, false}, {"a^T b", false, true, false}};

// The same product with b stored transposed, of which no zeros are left out.
Operands with_b_transposed(const Operands& of) {
  Operands other = of;
  other.kind.b_transposed = true;
  other.b = Tensor<float>({of.n, of.k});
  transpose<float>(of.b, other.b.view());
  return other;
}

bool same_numbers(const Tensor<float>& x, const Tensor<float>& y) {
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](float u, float v) {
    return std::bit_cast<std::uint32_t>(u) == std::bit_cast<std::uint32_t>(v) ||
           (std::isnan(u) && std::isnan(v));
  });
}

// The first n columns, set, added and as a step, from every first column that a piece may have,
// have the bits of products that leave nothing out.
void check_leaving_out(const Operands& of, Index n) {
  const Operands all = with_b_transposed(of);
  const Descent by{0.3F, 0.01F};
  const Tensor<float> start = random<float>({of.m, n}, -1, 1, 33);
  for (const ProductTable& table : every_product_table()) {
    CAPTURE(table.name, n);
    const auto result = [&](const Operands& operands, bool fresh, const Descent* descent,
                            Index first) {
      Tensor<float> out = start;
      Product p = operands.product(of.m, n, out.data(), fresh);
      p.descent = descent;
      table.loops->updates(p, first);
      return out;
    };
    for (const Index first : {Index{0}, table.loops->column_step}) {
      CHECK(same_numbers(result(of, true, nullptr, first), result(all, true, nullptr, first)));
      CHECK(same_numbers(result(of, false, nullptr, first), result(all, false, nullptr, first)));
      if (of.k > table.loops->longest_descent) continue;
      CHECK(same_numbers(result(of, true, &by, first), result(all, true, &by, first)));
    }
  }
}

}  // namespace

TEST_CASE("sparse products: leaving out zeros changes no bit") {
  for (const Kind& kind : sparse_kinds) {
    for (const Index k : {1, 100, 128, 129, 300}) {
      for (const Index m : {24, 61}) {
        for (const int percent : {20, 50, 90, 100}) {
          Operands operands(kind, m, 600, k);
          thin_out(operands.a, percent);
          CAPTURE(kind.name, m, k, percent);
          for (const Index n : {480, 600}) check_leaving_out(operands, n);
        }
      }
    }
    Operands operands(kind, 300, 600, 100);  // more rows than are copied at a time
    thin_out(operands.a, 50);
    check_leaving_out(operands, 600);
  }
}

TEST_CASE("sparse products: the comparison notices a factor that is left out") {
  for (const Kind& kind : sparse_kinds) {
    Operands operands(kind, 24, 480, 100);
    thin_out(operands.a, 50);
    Operands fewer = operands;
    *std::find_if(fewer.a.begin(), fewer.a.end(), [](float x) { return x != 0; }) = 0;
    for (const ProductTable& table : every_product_table()) {
      CAPTURE(table.name, kind.name);
      Tensor<float> whole({24, 480});
      Tensor<float> part({24, 480});
      compute(*table.loops, kind, operands.product(24, 480, whole.data(), true));
      compute(*table.loops, kind, fewer.product(24, 480, part.data(), true));
      CHECK(same_numbers(whole, whole));
      CHECK_FALSE(same_numbers(whole, part));
    }
  }
}

TEST_CASE("sparse products: factors that are small or not numbers are not left out") {
  const Index m = 30;
  const Index n = 500;
  const Index k = 100;
  for (const Kind& kind : sparse_kinds) {
    for (const float number :
         {1e-3F, std::numeric_limits<float>::denorm_min(), infinity, -infinity, nan_value}) {
      Operands operands(kind, m, n, k);
      thin_out(operands.a, 100);
      for (Index j = 0; j < n; ++j) operands.b[operands.b_at(57, j)] = 1e38F;
      operands.a[operands.a_at(11, 57)] = number;
      check_leaving_out(operands, n);
      for (const ProductTable& table : every_product_table()) {
        CAPTURE(table.name, kind.name, number);
        std::vector<float> out(static_cast<std::size_t>(m * n));
        compute(*table.loops, kind, operands.product(m, n, out.data(), true));
        const float want = number * 1e38F;
        const auto row = out.begin() + 11 * n;
        CHECK(std::all_of(row, row + n, [=](float y) {
          return y == want || (std::isnan(y) && std::isnan(want));
        }));
        CHECK(std::count(out.begin(), out.end(), 0.0F) == (m - 1) * n);
      }
    }
  }
}

TEST_CASE("sparse products: a sum that underflows to -0 is 0, whatever is left out") {
  for (const Kind& kind : sparse_kinds) {
    Operands operands(kind, 30, 500, 100);
    thin_out(operands.a, 60);
    for (float& x : operands.a) x *= 1e-30F;
    for (float& x : operands.b) x *= 1e-30F;
    check_leaving_out(operands, 500);
    for (const ProductTable& table : every_product_table()) {
      CAPTURE(table.name, kind.name);
      std::vector<float> out(std::size_t{30} * 500, nan_value);
      compute(*table.loops, kind, operands.product(30, 500, out.data(), true));
      CHECK(
          std::all_of(out.begin(), out.end(), [](float y) { return y == 0 && !std::signbit(y); }));
    }
  }
}

TEST_CASE("sparse products: zero times NaN or infinity is not left out") {
  const Index m = 26;
  const Index n = 600;
  const Index k = 30;
  for (const Kind& kind : sparse_kinds) {
    for (const float number : {nan_value, infinity, -infinity}) {
      for (const Index column : {0, 1, 2, 3, 7, 63, 64, 94, 95, 96, 191, 192, 250, 575, 576, 599}) {
        const Index l = column * 7 % k;
        Operands operands(kind, m, n, k);
        thin_out(operands.a, 80);
        for (Index i = 0; i < m; i += 2) operands.a[operands.a_at(i, l)] = 0;
        operands.b[operands.b_at(l, column)] = number;
        CAPTURE(kind.name, number, column);
        check_leaving_out(operands, n);
        for (const ProductTable& table : every_product_table()) {
          CAPTURE(table.name);
          std::vector<float> out(static_cast<std::size_t>(m * n));
          compute(*table.loops, kind, operands.product(m, n, out.data(), true));
          CHECK(all_right(out, n, [=](Index i, Index j, float y) {
            if (j != column) return std::isfinite(y);
            return i % 2 == 0 ? std::isnan(y) : !std::isfinite(y);
          }));
        }
      }
    }
  }
}
