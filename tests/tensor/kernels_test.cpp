#include "tensor/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/catch.h"
#include "tests/tensor/numbers.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

// op(x)[i, j]
template <class T>
double element(Op op, View<const T> x, Index i, Index j) {
  return op == Op::none ? x(i, j) : x(j, i);
}

}  // namespace

TEMPLATE_TEST_CASE("kernels: gemm of all flags and sizes", "", float, double) {
  using T = TestType;
  struct Size {
    Index m, n, k;
  };
  for (const Size& size :
       {Size{1, 1, 1}, {2, 3, 4}, {17, 5, 33}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {0, 0, 0}}) {
    const Index m = size.m;
    const Index n = size.n;
    const Index k = size.k;
    for (const Op op_a : {Op::none, Op::transpose}) {
      for (const Op op_b : {Op::none, Op::transpose}) {
        CAPTURE(m, n, k, op_a == Op::transpose, op_b == Op::transpose);
        const Tensor<T> a = random<T>(op_a == Op::none ? Shape{m, k} : Shape{k, m}, -1, 1, 16);
        const Tensor<T> b = random<T>(op_b == Op::none ? Shape{k, n} : Shape{n, k}, -1, 1, 17);
        Numbers want;
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            double total = 0;
            for (Index l = 0; l < k; ++l) {
              total += element<T>(op_a, a, i, l) * element<T>(op_b, b, l, j);
            }
            want.push_back(total);
          }
        }
        check_loop<T>(
            want,
            [&](T* out, bool fresh) {
              gemm<T>(op_a, op_b, a, b, {View<T>(out, {m, n}), fresh});
            },
            50);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: linear is x w^T + b", "", float, double) {
  using T = TestType;
  const Tensor<T> x({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor<T> w({2, 3}, {1, 0, -1, 2, 1, 0});
  const Tensor<T> b({2}, {10, 20});
  check_loop<T>({8, 24, 8, 33}, [&](T* out, bool fresh) {
    linear<T>(x, w, b, {View<T>(out, {2, 2}), fresh});
  });
}

TEMPLATE_TEST_CASE("kernels: fill", "", float, double) {
  using T = TestType;
  check_loop<T>({5, 5, 5}, [&](T* out, bool fresh) { fill<T>(5, {View<T>(out, {3}), fresh}); });
}

TEMPLATE_TEST_CASE("kernels: broadcast and its reverse", "", float, double) {
  using T = TestType;
  struct Case {
    Shape small, large;
  };
  const Case cases[] = {{{}, {}},
                        {{}, {2, 3}},
                        {{3}, {2, 3}},
                        {{2, 1}, {2, 3}},
                        {{1, 3}, {2, 3}},
                        {{2, 3}, {2, 3}},
                        {{1}, {0}},
                        {{0, 1}, {0, 3}},
                        {{3, 1}, {5, 3, 4}},
                        {{5, 1, 4}, {5, 3, 4}},
                        {{2, 1, 3, 1, 2, 1}, {2, 2, 3, 2, 2, 3}},
                        {{1, 3, 1, 2}, {2, 3, 4, 2}},
                        {{3, 1, 2, 1}, {5, 3, 4, 2, 3}},
                        {{3, 1, 2}, {0, 3, 4, 2}},
                        {{1, 17}, {4, 17}},
                        {{1, 0}, {4, 0}},
                        {{3}, {0, 3}}};
  for (const Case& c : cases) {
    CAPTURE(to_string(c.small), to_string(c.large));
    const Tensor<T> small = random<T>(c.small, -3, 3, 18);
    const Tensor<T> large = random<T>(c.large, -3, 3, 19);
    Numbers repeated;
    Numbers sums(static_cast<std::size_t>(c.small.size()));
    for (Index flat = 0; flat < c.large.size(); ++flat) {
      // The index of `small` that this one of `large` repeats, digit by digit from the last axis.
      Index rest = flat;
      Index at = 0;
      Index step = 1;
      for (int i = 1; i <= c.large.rank(); ++i) {
        const Index n = c.large[c.large.rank() - i];
        if (i <= c.small.rank()) {
          const Index own = c.small[c.small.rank() - i];
          at += rest % n % own * step;
          step *= own;
        }
        rest /= n;
      }
      repeated.push_back(small[at]);
      sums[static_cast<std::size_t>(at)] += large[flat];
    }
    check_loop<T>(repeated, [&](T* out, bool fresh) {
      broadcast<T>(small, {View<T>(out, c.large), fresh});
    });
    check_loop<T>(
        sums,
        [&](T* out, bool fresh) {
          reduce_to<T>(large, {View<T>(out, c.small), fresh});
        },
        200);
  }
}

TEMPLATE_TEST_CASE("kernels: transpose", "", float, double) {
  using T = TestType;
  for (const Shape& shape : {Shape{1, 1}, {2, 3}, {16, 16}, {17, 33}, {0, 3}, {3, 0}}) {
    CAPTURE(to_string(shape));
    const Tensor<T> x = random<T>(shape, -3, 3, 20);
    Numbers want;
    for (Index j = 0; j < shape[1]; ++j) {
      for (Index i = 0; i < shape[0]; ++i) want.push_back(x(i, j));
    }
    check_loop<T>(want, [&](T* out, bool fresh) {
      transpose<T>(x, {View<T>(out, {shape[1], shape[0]}), fresh});
    });
  }
}

TEMPLATE_TEST_CASE("kernels: sums over an axis and their reverse", "", float, double) {
  using T = TestType;
  for (const Shape& shape :
       {Shape{5}, {2, 3}, {4, 17, 3}, {2, 3, 4, 5}, {0, 3}, {3, 0}, {2, 0, 3}}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      CAPTURE(to_string(shape), axis);
      const Shape reduced = shape.without(axis);
      const Tensor<T> x = random<T>(shape, -3, 3, 21);
      const Tensor<T> dy = random<T>(reduced, -3, 3, 22);
      Index inner = 1;
      for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
      Numbers sums(static_cast<std::size_t>(reduced.size()));
      Numbers repeated;
      for (Index flat = 0; flat < shape.size(); ++flat) {
        const Index at = flat / (inner * shape[axis]) * inner + flat % inner;
        sums[static_cast<std::size_t>(at)] += x[flat];
        repeated.push_back(dy[at]);
      }
      check_loop<T>(
          sums,
          [&](T* out, bool fresh) {
            sum_axis<T>(x, axis, {View<T>(out, reduced), fresh});
          },
          200);
      check_loop<T>(repeated, [&](T* out, bool fresh) {
        repeat_axis<T>(dy, axis, {View<T>(out, shape), fresh});
      });
    }
  }
}

TEST_CASE("kernels: leading axes count as rows") {
  const Tensor<float> x({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  Tensor<float> sums({2, 2});
  apply_rows<float>(loops<float>().row_sums, x, View<float>(sums));
  CHECK(sums == Tensor<float>({2, 2}, {3, 7, 11, 15}));
}

TEST_CASE("kernels: float sums of repeated axes do not drift, wherever the axes are") {
  constexpr Index many = Index{1} << 18;
  struct Case {
    Shape small, large;
  };
  const Case cases[] = {{{3}, {many, 3}},
                        {{}, {many, 2}},
                        {{2, 1}, {2, many}},
                        {{2, 1}, {many, 2, 4}},
                        {{2, 1, 1}, {512, 2, 512, 1}},
                        {{2, 1, 3}, {2, many, 3}},
                        {{1, 2, 1}, {many, 2, 1}},
                        {{2, 1, 2}, {many, 2, 2, 2}}};
  for (const Case& c : cases) {
    CAPTURE(to_string(c.small), to_string(c.large));
    const Tensor<float> x(c.large, 0.1F);
    Tensor<float> sums(c.small);
    reduce_to<float>(x, {sums, true});
    const double want =
        static_cast<double>(0.1F) * static_cast<double>(c.large.size() / c.small.size());
    for (const float s : sums) CHECK(std::abs(s - want) < 1e-5 * want);
  }
}
