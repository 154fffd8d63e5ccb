#include "tensor/products.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tensor/runtime.h"
#include "tests/catch.h"
#include "tests/tensor/numbers.h"
#include "tests/tensor/product_operands.h"
#include "tests/tensor/product_tables.h"
#include "tests/worse.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

// The largest error of a rows x columns product beside its terms' sizes; NaN when any element is.
double error(const Operands& of, Index rows, Index columns, const std::vector<float>& got,
             double start) {
  double worst = 0;
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      const auto at = static_cast<std::size_t>(i * of.n + j);
      const long double want = start + of.sums[at];
      const long double difference = got[static_cast<std::size_t>(i * columns + j)] - want;
      const double e = static_cast<double>(std::abs(difference) / (std::abs(start) + of.sizes[at]));
      worst = test::worse(worst, e);
    }
  }
  return worst;
}

// A sum of k terms in float, added up in lanes.
double tolerance(Index k) {
  return std::numeric_limits<float>::epsilon() * (4 + static_cast<double>(k) / 16);
}

bool same_bits(const Tensor<float>& x, const Tensor<float>& y) {
  return x.shape() == y.shape() &&
         std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.size()) * sizeof(float)) == 0;
}

// w after a step along the product as its gradient, at once and apart.
Tensor<float> step_along(const ProductLoops& loops, const Operands& of, Tensor<float> w,
                         const Descent& by) {
  Product p = of.product(w.shape()[0], w.shape()[1], w.data(), true);
  p.descent = &by;
  loops.updates(p, 0);
  return w;
}

Tensor<float> product_then_step(const ProductLoops& loops, const Operands& of, Tensor<float> w,
                                const Descent& by) {
  Tensor<float> gradient(w.shape());
  const Product p = of.product(w.shape()[0], w.shape()[1], gradient.data(), true);
  loops.updates(p, 0);
  const UpdateRule<float> rule{by.lr, by.weight_decay, 0, 1, infinity, false};
  training_loops<float>().descend(w.size(), rule, gradient.data(), w.data());
  return w;
}

struct Case {
  Op op_a, op_b;
  Index m, n, k;
};

// Each way once, and the pieces of our own and of OpenBLAS both of rows and of columns.
constexpr Case cases[] = {{Op::none, Op::transpose, 100, 50, 1030},
                          {Op::transpose, Op::none, 50, 1100, 100},
                          {Op::none, Op::transpose, 900, 30, 140},
                          {Op::none, Op::transpose, 501, 300, 70},
                          {Op::none, Op::none, 33, 1024, 70},
                          {Op::none, Op::transpose, 64, 1100, 1100},
                          {Op::none, Op::none, 2100, 64, 600},
                          {Op::transpose, Op::transpose, 30, 40, 50},
                          {Op::transpose, Op::transpose, 800, 300, 90},
                          {Op::none, Op::transpose, 1000, 1400, 50},
                          {Op::transpose, Op::transpose, 20, 3400, 1100}};

Tensor<float> multiply(const Case& c, const Tensor<float>& a, const Tensor<float>& b) {
  Tensor<float> out({c.m, c.n}, 0.5F);
  gemm<float>(c.op_a, c.op_b, a, b, {out.view(), false});
  return out;
}

Tensor<float> left(const Case& c) {
  return random<float>(c.op_a == Op::none ? Shape{c.m, c.k} : Shape{c.k, c.m}, -1, 1, 33);
}

Tensor<float> right(const Case& c) {
  return random<float>(c.op_b == Op::none ? Shape{c.k, c.n} : Shape{c.n, c.k}, -1, 1, 34);
}

}  // namespace

TEST_CASE("products: our own are right for every size up to 40 by 40") {
  constexpr Index side = 40;
  for (const Kind& kind : kinds) {
    for (const Index k : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 127, 128, 129, 1025, 2050}) {
      Operands operands(kind, side, side, k);
      operands.sum_up();
      for (const ProductTable& table : every_product_table()) {
        const auto columns_of = [&](Index n) {  // with all rows
          std::vector<float> out(static_cast<std::size_t>(side * n));
          compute(*table.loops, kind, operands.product(side, n, out.data(), true));
          return out;
        };
        const std::vector<float> all = columns_of(side);
        double worst = 0;
        bool same = true;
        // of long sums only some, to save time
        const Index stride = k > 200 ? 13 : 1;
        for (Index n = 0; n <= side; n += stride) {
          const Index apart = kind.narrow ? n : side;
          const std::vector<float> whole = kind.narrow ? columns_of(n) : all;
          for (Index m = 0; m <= side; m += stride) {
            std::vector<float> out(static_cast<std::size_t>(m * n), nan_value);
            compute(*table.loops, kind, operands.product(m, n, out.data(), true));
            const double fresh = error(operands, m, n, out, 0);
            for (Index i = 0; i < m; ++i) {
              same = same && std::equal(out.begin() + i * n, out.begin() + (i + 1) * n,
                                        whole.begin() + i * apart);
            }
            std::fill(out.begin(), out.end(), 2.0F);
            compute(*table.loops, kind, operands.product(m, n, out.data(), false));
            const double added = error(operands, m, n, out, 2);
            worst = test::worse(worst, fresh);
            worst = test::worse(worst, added);
          }
        }
        CAPTURE(table.name, kind.name, k);
        CHECK(worst <= tolerance(k));
        CHECK(same);  // an element's bits do not depend on m, nor, but with few columns, on n
      }
    }
  }
}

TEST_CASE("products: our own are right across panels and pieces") {
  const Index m = 23;
  for (const Kind& kind : kinds) {
    for (const Index k : {100, 150, 300, 400}) {
      for (const Index n : {47, 48, 49, 80, 95, 96, 97, 144, 145, 192, 193, 200}) {
        Operands operands(kind, m, n, k);
        operands.sum_up();
        for (const ProductTable& table : every_product_table()) {
          CAPTURE(table.name, kind.name, n, k);
          std::vector<float> whole(static_cast<std::size_t>(m * n), nan_value);
          compute(*table.loops, kind, operands.product(m, n, whole.data(), true));
          CHECK(error(operands, m, n, whole, 0) <= tolerance(k));
          std::vector<float> pieces(whole.size(), nan_value);
          Product p = operands.product(m, n, pieces.data(), true);
          const Index length = kind.narrow ? m : n;
          const Index step = kind.narrow ? table.loops->row_step : table.loops->column_step;
          for (Index first = 0; first < length; first += step) {
            (kind.narrow ? p.m : p.n) = std::min(first + step, length);
            kind.narrow ? table.loops->narrow(p, first) : table.loops->updates(p, first);
          }
          CHECK(pieces == whole);
          // fewer rows end in blocks of other sizes
          for (Index rows = m - 8; rows < m; ++rows) {
            std::vector<float> fewer(static_cast<std::size_t>(rows * n), nan_value);
            compute(*table.loops, kind, operands.product(rows, n, fewer.data(), true));
            CHECK(std::equal(fewer.begin(), fewer.end(), whole.begin()));
          }
        }
      }
    }
  }
}

TEST_CASE("products: more rows than are copied at a time, whole and cut") {
  const Index m = 530;
  const Index n = 61;
  for (const Kind& kind : kinds) {
    if (kind.narrow) continue;
    for (const Index k : {100, 300}) {
      Operands operands(kind, m, n, k);
      operands.sum_up();
      for (const ProductTable& table : every_product_table()) {
        CAPTURE(table.name, kind.name, k);
        std::vector<float> whole(static_cast<std::size_t>(m * n), nan_value);
        compute(*table.loops, kind, operands.product(m, n, whole.data(), true));
        CHECK(error(operands, m, n, whole, 0) <= tolerance(k));
        std::vector<float> below(static_cast<std::size_t>((m - 7) * n), nan_value);
        Product p = operands.product(m - 7, n, below.data(), true);
        p.a += 7 * p.a_row;
        compute(*table.loops, kind, p);
        CHECK(std::equal(below.begin(), below.end(), whole.begin() + 7 * n));
      }
    }
  }
}

TEST_CASE("products: a step along a product has the bits of the product and the step") {
  const Descent by{0.3F, 0.01F};
  for (const Kind& kind : kinds) {
    if (kind.narrow) continue;
    for (const Index k : {1, 99, 128, 129, 256, 300}) {
      const Operands operands(kind, 11, 121, k);
      for (const ProductTable& table : every_product_table()) {
        const bool ready = k <= table.loops->longest_descent;  // the sums, at once
        for (const Index m : {1, 2, 3, 4, 5, 8, 9, 11}) {
          for (const Index n : {1, 23, 24, 48, 50, 80, 96, 97, 121}) {
            CAPTURE(table.name, kind.name, m, n, k);
            const Tensor<float> start = random<float>({m, n}, -1, 1, 33);
            const Tensor<float> apart = product_then_step(*table.loops, operands, start, by);
            CHECK(same_bits(step_along(*table.loops, operands, start, by), apart) == ready);
            CHECK_FALSE(same_bits(step_along(*table.loops, operands, start, {by.lr, 0}), apart));
          }
        }
      }
    }
  }
}

TEST_CASE("products: a step along a product on any number of threads") {
  for (const int percent : {0, 50}) {  // of zeros
    Tensor<float> a = random<float>({100, 50}, -1, 1, 34);
    thin_out(a, percent);
    const Tensor<float> b = random<float>({100, 3072}, -1, 1, 35);
    const Tensor<float> start = random<float>({50, 3072}, -1, 1, 36);
    if (!can_descend_along(a.shape(), b.shape())) return;  // on a processor without the loops
    Tensor<float> apart(start.shape());
    gemm<float>(Op::transpose, Op::none, a, b, apart.view());
    for (Index i = 0; i < start.size(); ++i) {
      apart[i] = start[i] - 0.1F * (apart[i] + 0.02F * start[i]);
    }
    for (const int count : {1, 2, 3, 4}) {
      const Threads threads(count);
      Tensor<float> at_once = start;
      descend_along(a, b, {0.1F, 0.02F}, at_once);
      CHECK(same_bits(at_once, apart));
    }
  }
}

TEST_CASE("products: sums that are not ready at once, and few columns, are no way to step along") {
  CHECK_FALSE(can_descend_along({300, 50}, {300, 3072}));
  CHECK_FALSE(can_descend_along({100, 10}, {100, 50}));
  CHECK_FALSE(can_descend_along({0, 50}, {0, 3072}));
}

TEST_CASE("products: the comparison notices what a kernel might drop") {
  for (const Kind& kind : kinds) {
    const Index m = 11;
    const Index n = 13;
    const Index k = 17;
    Operands operands(kind, m, n, k);
    operands.sum_up();
    for (const ProductTable& table : every_product_table()) {
      CAPTURE(table.name, kind.name);
      const auto error_of = [&](const Product& p, std::vector<float>& out) {
        compute(*table.loops, kind, p);
        return error(operands, m, n, out, 0);
      };
      std::vector<float> out(static_cast<std::size_t>(m * n), nan_value);
      Product p = operands.product(m, n, out.data(), true);
      CHECK(error_of(p, out) <= tolerance(k));
      p.k = k - 1;  // the last term of every sum
      CHECK(!(error_of(p, out) <= tolerance(k)));
      out.assign(out.size(), nan_value);
      p = operands.product(m - 1, n, out.data(), true);  // the last row
      CHECK(!(error_of(p, out) <= tolerance(k)));
      out.assign(out.size(), 2);
      p = operands.product(m, n, out.data(), false);  // overwriting
      CHECK(!(error_of(p, out) <= tolerance(k)));
    }
  }
}

TEST_CASE("products: NaN and infinity reach the elements they belong to, and no others") {
  const Index m = 7;
  const Index k = 21;
  for (const Kind& kind : kinds) {
    for (const Index n : {9, 24, 30}) {
      for (const ProductTable& table : every_product_table()) {
        for (Index l = 0; l < k; ++l) {
          CAPTURE(table.name, kind.name, n, l);
          Operands operands(kind, m, n, k);
          operands.a[operands.a_at(m - 1, l)] = nan_value;
          operands.b[operands.b_at(l, n - 1)] = infinity;
          std::vector<float> out(static_cast<std::size_t>(m * n));
          compute(*table.loops, kind, operands.product(m, n, out.data(), true));
          CHECK(all_right(out, n, [=](Index i, Index j, float y) {
            return i == m - 1 ? std::isnan(y) : std::isinf(y) == (j == n - 1);
          }));
        }
      }
    }
  }
}

TEST_CASE("products: the way depends on the shape") {
  CHECK(choose_way(nullptr, Op::none, Op::transpose, 100, 50, 3072) == Way::blas);
  for (const Index lanes : {8, 16}) {
    CAPTURE(lanes);
    ProductLoops own{};
    own.lanes = lanes;
    const auto way = [&](Op op_a, Op op_b, Index m, Index n, Index k) {
      return choose_way(&own, op_a, op_b, m, n, k);
    };
    CHECK(way(Op::none, Op::transpose, 100, 50, 3072) == Way::narrow);
    CHECK(way(Op::none, Op::transpose, 1000, 200, 3072) == Way::narrow);
    CHECK(way(Op::none, Op::transpose, 256, 1024, 1024) == Way::updates);
    CHECK(way(Op::transpose, Op::none, 50, 3072, 100) == Way::updates);
    CHECK(way(Op::transpose, Op::none, 1024, 3072, 256) == Way::updates);
    CHECK(way(Op::none, Op::none, 32, 1024, 75) == Way::updates);
    CHECK(way(Op::none, Op::transpose, 100, 10, 50) == Way::blas);
    CHECK(way(Op::transpose, Op::transpose, 100, 50, 3072) == Way::blas);
    CHECK(way(Op::transpose, Op::none, 1, 3072, 100) == Way::blas);
    const auto at_avx2 = [&](Way chosen) { return lanes == 8 ? chosen : Way::blas; };
    CHECK(way(Op::none, Op::transpose, 16, 10, 1024) == at_avx2(Way::narrow));
    CHECK(way(Op::none, Op::transpose, 1000, 24, 64) == at_avx2(Way::updates));
    CHECK(way(Op::none, Op::transpose, 1000, 32, 256) == at_avx2(Way::narrow));
    CHECK(way(Op::none, Op::transpose, 1000, 32, 384) == Way::narrow);
    CHECK(way(Op::none, Op::transpose, 1000, 10, 256) == Way::narrow);
    CHECK(way(Op::none, Op::none, 1000, 64, 64) == at_avx2(Way::updates));
    CHECK(way(Op::none, Op::none, 16, 256, 128) == at_avx2(Way::updates));
  }
}

TEST_CASE("products: gemm is right in every way") {
  for (const Case& c : cases) {
    CAPTURE(c.m, c.n, c.k);
    const Tensor<float> a = left(c);
    const Tensor<float> b = right(c);
    Tensor<double> want({c.m, c.n}, 0.5);
    Tensor<double> a_double(a.shape()), b_double(b.shape());
    std::copy(a.begin(), a.end(), a_double.begin());
    std::copy(b.begin(), b.end(), b_double.begin());
    gemm<double>(c.op_a, c.op_b, a_double, b_double, {want.view(), false});
    const Tensor<float> got = multiply(c, a, b);
    double worst = 0;
    for (Index i = 0; i < got.size(); ++i) {
      const double e = std::abs(got[i] - want[i]);
      worst = test::worse(worst, e);
    }
    CHECK(worst <= 1e-7 * static_cast<double>(c.k));
  }
}

TEST_CASE("products: the same bits on any number of threads, every time") {
  for (const Case& c : cases) {
    const Tensor<float> a = left(c);
    const Tensor<float> b = right(c);
    const Tensor<float> want = multiply(c, a, b);
    for (const int count : {1, 2, 3, 4, 8}) {
      const Threads threads(count);
      for (int time = 0; time < 3; ++time) {
        CAPTURE(c.m, c.n, c.k, count, time);
        CHECK(same_bits(multiply(c, a, b), want));
      }
    }
    Tensor<float> other = a;
    other[other.size() - 1] += 0.5F;
    CHECK(!same_bits(multiply(c, other, b), want));
  }
}

TEST_CASE("products: several callers at once share the threads") {
  const Threads threads(3);
  std::vector<int> right_ones(4);
  {
    std::vector<std::jthread> callers;
    for (std::size_t caller = 0; caller < right_ones.size(); ++caller) {
      callers.emplace_back([&, caller] {
        const Case& c = cases[caller];
        const Tensor<float> a = left(c);
        const Tensor<float> b = right(c);
        const Tensor<float> want = multiply(c, a, b);
        for (int time = 0; time < 20; ++time) {
          right_ones[caller] += same_bits(multiply(c, a, b), want);
        }
      });
    }
  }
  CHECK(right_ones == std::vector<int>(4, 20));
}

TEST_CASE("products: fewer than one thread is refused") {
  CHECK_THROWS_AS(set_threads(0), OptionError);
  CHECK(threads() == 1);
}

TEST_CASE("products: build_info names what computes") {
  const std::string info = build_info();
  CHECK(info.find(std::string("loops ") + loops<float>().instruction_set) == 0);
  CHECK(info.find("OpenBLAS ") != std::string::npos);
  CHECK(info.find(blas_core()) != std::string::npos);
  CHECK(info.find(", 1 thread") == info.size() - std::strlen(", 1 thread"));
}

TEST_CASE("products: a warning when the environment holds OpenBLAS back") {
  CHECK(blas_warning(nullptr, "Haswell", "v4").empty());
  CHECK(blas_warning("Cooperlake", "Cooperlake", "v4").empty());
  CHECK(blas_warning("Haswell", "Haswell", "v3").empty());
  CHECK(blas_warning("Prescott", "Prescott", "baseline").empty());
  CHECK(blas_warning("Haswell", "Haswell", "v4").find("OPENBLAS_CORETYPE=Haswell") == 0);
  CHECK(!blas_warning("Nehalem", "Nehalem", "v3").empty());
}
