// Operands of our own matrix products.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/products.h"
#include "tests/tensor/numbers.h"

namespace tapegrad::test {

inline constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
inline constexpr float infinity = std::numeric_limits<float>::infinity();

// The kinds of products that are computed in our own ways.
struct Kind {
  const char* name;
  bool narrow, a_transposed, b_transposed;
};
inline constexpr Kind kinds[] = {{"a b^T of few columns", true, false, true},
                                 {"a b", false, false, false},
                                 {"a^T b", false, true, false},
                                 {"a b^T", false, false, true},
                                 {"a^T b^T", false, true, true}};

// Operands of which products of any size up to m, n are parts, and the whole product.
struct Operands {
  Operands(const Kind& of, Index m_max, Index n_max, Index length)
      : kind(of), m(m_max), n(n_max), k(length) {
    a = random<float>(kind.a_transposed ? Shape{k, m} : Shape{m, k}, -1, 1, 31);
    b = random<float>(kind.b_transposed ? Shape{n, k} : Shape{k, n}, -1, 1, 32);
  }

  kernels::Product product(Index rows, Index columns, float* out, bool fresh) const {
    return {.m = rows,
            .n = columns,
            .k = k,
            .a = a.data(),
            .a_row = kind.a_transposed ? 1 : k,
            .a_column = kind.a_transposed ? m : 1,
            .b = b.data(),
            .b_row = kind.b_transposed ? k : n,
            .out = out,
            .out_row = columns,
            .fresh = fresh,
            .b_transposed = kind.b_transposed};
  }

  Index a_at(Index i, Index l) const { return kind.a_transposed ? l * m + i : i * k + l; }
  Index b_at(Index l, Index j) const { return kind.b_transposed ? j * k + l : l * n + j; }

  // Each element's exact sum, and the sum of its terms' sizes, which bounds its rounding.
  void sum_up() {
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        long double total = 0;
        long double size = 0;
        for (Index l = 0; l < k; ++l) {
          const long double term = static_cast<long double>(a[a_at(i, l)]) * b[b_at(l, j)];
          total += term;
          size += std::abs(term);
        }
        sums.push_back(total);
        sizes.push_back(size);
      }
    }
  }

  Kind kind;
  Index m, n, k;
  Tensor<float> a, b;
  std::vector<long double> sums, sizes;
};

inline void compute(const kernels::ProductLoops& loops, const Kind& kind,
                    const kernels::Product& p) {
  kind.narrow ? loops.narrow(p, 0) : loops.updates(p, 0);
}

// Whether right(row, column, number) holds for all numbers of a result of n columns.
template <class Right>
bool all_right(const std::vector<float>& out, Index n, const Right& right) {
  for (Index at = 0; at < std::ssize(out); ++at) {
    if (!right(at / n, at % n, out[static_cast<std::size_t>(at)])) return false;
  }
  return true;
}

// Puts zeros in the place of about so many percent of the numbers.
inline void thin_out(Tensor<float>& x, int percent) {
  const Tensor<float> chance = random<float>(x.shape(), 0, 100, 37);
  for (Index i = 0; i < x.size(); ++i) {
    if (chance[i] < static_cast<float>(percent)) x[i] = i % 2 == 0 ? 0.0F : -0.0F;
  }
}

}  // namespace tapegrad::test
