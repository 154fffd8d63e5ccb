// The one file that sees OpenBLAS.
#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "tensor/error.h"
#include "tensor/products.h"
#include "tensor/runtime.h"
#include "tensor/tensor.h"

namespace tapegrad::kernels {
namespace {

// On more threads OpenBLAS adds up in another order; ours share its pieces instead.
void start_with_one_thread() {
  static const bool done = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

// OpenBLAS counts in int.
int blas_int(Index n) {
  if (n > std::numeric_limits<int>::max()) {
    throw ShapeError(fmt::format("gemm: a matrix side of {} is more than OpenBLAS can count", n));
  }
  return static_cast<int>(n);
}

CBLAS_TRANSPOSE flag(Op op) { return op == Op::transpose ? CblasTrans : CblasNoTrans; }

void blas_gemm(Op op_a, Op op_b, int m, int n, int k, const float* a, int lda, const float* b,
               int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, flag(op_a), flag(op_b), m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc);
}

void blas_gemm(Op op_a, Op op_b, int m, int n, int k, const double* a, int lda, const double* b,
               int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, flag(op_a), flag(op_b), m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}

// How many rows and columns of the result one call computes. Pieces for several threads have to be
// there on one thread too, for the bits; these cost 1 to 8 % then, since OpenBLAS rearranges the
// operand that all pieces need once for each. That is the smaller one when the longer side is cut.
struct Pieces {
  Pieces(Index m, Index n, Index k) : rows(m), columns(n) {
    constexpr Index half_a_millisecond = Index{1} << 26;  // of multiplications; at most, in float
    if (m * n * k < half_a_millisecond) return;
    Index& cut = n >= m ? columns : rows;
    cut = std::max<Index>((cut / 4 + 63) / 64 * 64, 512);
  }
  Index rows;
  Index columns;
};

template <Real T>
void real_gemm(Op op_a, Op op_b, View<const T> a, View<const T> b, Target<T> out) {
  const Index k = a.shape()[op_a == Op::none ? 1 : 0];
  if (k == 0) {
    if (out.fresh) std::fill(out.to.begin(), out.to.end(), T(0));
    return;
  }
  if constexpr (std::same_as<T, float>) {
    if (compute_own_product(op_a, op_b, a, b, out)) return;
  }
  start_with_one_thread();
  const int m = blas_int(out.to.shape()[0]);
  const int n = blas_int(out.to.shape()[1]);
  const int lda = blas_int(a.shape()[1]);
  const int ldb = blas_int(b.shape()[1]);
  const T beta = out.fresh ? T(0) : T(1);
  const auto compute = [&, k = blas_int(k)](Index i, Index i_end, Index j, Index j_end) {
    blas_gemm(op_a, op_b, static_cast<int>(i_end - i), static_cast<int>(j_end - j), k,
              a.data() + (op_a == Op::none ? i * lda : i), lda,
              b.data() + (op_b == Op::none ? j : j * ldb), ldb, beta, out.to.data() + i * n + j, n);
  };
  const Pieces pieces(m, n, k);
  if (pieces.columns < n) {
    for_each_piece(n, pieces.columns, [&](Index j, Index end) { compute(0, m, j, end); });
  } else {
    for_each_piece(m, pieces.rows, [&](Index i, Index end) { compute(i, end, 0, n); });
  }
}

// The values, or the tangents, of a view of Duals.
Tensor<double> part(View<const Dual> x, double Dual::*member) {
  Tensor<double> numbers(x.shape());
  std::transform(x.begin(), x.end(), numbers.begin(), [=](const Dual& d) { return d.*member; });
  return numbers;
}

// (a + e a')(b + e b') = a b + e (a' b + a b'): three real products.
void dual_gemm(Op op_a, Op op_b, View<const Dual> a, View<const Dual> b, Target<Dual> out) {
  const Tensor<double> a_value = part(a, &Dual::value), a_tangent = part(a, &Dual::tangent);
  const Tensor<double> b_value = part(b, &Dual::value), b_tangent = part(b, &Dual::tangent);
  Tensor<double> value(out.to.shape()), tangent(out.to.shape());
  real_gemm<double>(op_a, op_b, a_value, b_value, value.view());
  real_gemm<double>(op_a, op_b, a_tangent, b_value, tangent.view());
  real_gemm<double>(op_a, op_b, a_value, b_tangent, {tangent.view(), false});
  for (Index i = 0; i < value.size(); ++i) {
    const Dual y(value[i], tangent[i]);
    out.to[i] = out.fresh ? y : out.to[i] + y;
  }
}

}  // namespace

template <Scalar T>
void gemm(Op op_a, Op op_b, View<const T> a, View<const T> b, Target<T> out) {
  assert(a.shape().rank() == 2 && b.shape().rank() == 2 && out.to.shape().rank() == 2);
  assert(a.shape()[op_a == Op::none ? 1 : 0] == b.shape()[op_b == Op::none ? 0 : 1]);
  assert(out.to.shape()[0] == a.shape()[op_a == Op::none ? 0 : 1]);
  assert(out.to.shape()[1] == b.shape()[op_b == Op::none ? 1 : 0]);
  if (out.to.size() == 0) return;
  if constexpr (Real<T>) {
    real_gemm(op_a, op_b, a, b, out);
  } else {
    dual_gemm(op_a, op_b, a, b, out);
  }
}

template void gemm(Op, Op, View<const float>, View<const float>, Target<float>);
template void gemm(Op, Op, View<const double>, View<const double>, Target<double>);
template void gemm(Op, Op, View<const Dual>, View<const Dual>, Target<Dual>);

}  // namespace tapegrad::kernels

namespace tapegrad {

const char* blas_core() { return openblas_get_corename(); }

std::string build_info() {
  // "OpenBLAS 0.3.21 NO_LAPACKE ...": the first two words
  const std::string_view config = openblas_get_config();
  const std::string_view version = config.substr(0, config.find(' ', config.find(' ') + 1));
  return fmt::format(
      "loops {}, {}, {} {}, {} thread{}", kernels::loops<float>().instruction_set,
      kernels::product_loops() == nullptr ? "all products by OpenBLAS" : "own products", version,
      blas_core(), threads(), threads() == 1 ? "" : "s");
}

std::string blas_warning() {
  return kernels::blas_warning(std::getenv("OPENBLAS_CORETYPE"), blas_core(),
                               kernels::loops<float>().instruction_set);
}

}  // namespace tapegrad
