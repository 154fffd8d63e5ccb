// The one file that sees OpenBLAS.
#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/tensor.h"

namespace tapegrad::kernels {
namespace {

// One thread unless the program or OpenBLAS's own variable asks for more: many small products side
// by side are faster on one thread each, and bits then do not depend on the number of cores.
void start_with_one_thread() {
  static const bool done = [] {
    if (std::getenv("OPENBLAS_NUM_THREADS") == nullptr) openblas_set_num_threads(1);
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
               int ldb, float beta, float* c) {
  cblas_sgemm(CblasRowMajor, flag(op_a), flag(op_b), m, n, k, 1.0F, a, lda, b, ldb, beta, c, n);
}

void blas_gemm(Op op_a, Op op_b, int m, int n, int k, const double* a, int lda, const double* b,
               int ldb, double beta, double* c) {
  cblas_dgemm(CblasRowMajor, flag(op_a), flag(op_b), m, n, k, 1.0, a, lda, b, ldb, beta, c, n);
}

template <Real T>
void real_gemm(Op op_a, Op op_b, View<const T> a, View<const T> b, Target<T> out) {
  const Index k = a.shape()[op_a == Op::none ? 1 : 0];
  if (k == 0) {
    if (out.fresh) std::fill(out.to.begin(), out.to.end(), T(0));
    return;
  }
  start_with_one_thread();
  blas_gemm(op_a, op_b, blas_int(out.to.shape()[0]), blas_int(out.to.shape()[1]), blas_int(k),
            a.data(), blas_int(a.shape()[1]), b.data(), blas_int(b.shape()[1]),
            out.fresh ? T(0) : T(1), out.to.data());
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

void set_blas_threads(int count) {
  start_with_one_thread();
  openblas_set_num_threads(std::max(count, 1));
}

const char* blas_core() { return openblas_get_corename(); }

}  // namespace tapegrad::kernels
