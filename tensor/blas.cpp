// The one file that sees OpenBLAS.
#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "tensor/error.h"
#include "tensor/kernels.h"

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

}  // namespace

template <Scalar T>
void gemm(Op op_a, Op op_b, View<const T> a, View<const T> b, Target<T> out) {
  const int inner = op_a == Op::none ? 1 : 0;
  const Index k = a.shape()[inner];
  assert(a.shape().rank() == 2 && b.shape().rank() == 2 && out.to.shape().rank() == 2);
  assert(b.shape()[op_b == Op::none ? 0 : 1] == k);
  assert((out.to.shape() == Shape{a.shape()[1 - inner], b.shape()[op_b == Op::none ? 1 : 0]}));
  if (out.to.size() == 0) return;
  if (k == 0) {
    if (out.fresh) std::fill(out.to.begin(), out.to.end(), T(0));
    return;
  }
  start_with_one_thread();
  blas_gemm(op_a, op_b, blas_int(out.to.shape()[0]), blas_int(out.to.shape()[1]), blas_int(k),
            a.data(), blas_int(a.shape()[1]), b.data(), blas_int(b.shape()[1]),
            out.fresh ? T(0) : T(1), out.to.data());
}

template void gemm(Op, Op, View<const float>, View<const float>, Target<float>);
template void gemm(Op, Op, View<const double>, View<const double>, Target<double>);

void set_blas_threads(int count) {
  start_with_one_thread();
  openblas_set_num_threads(std::max(count, 1));
}

const char* blas_core() { return openblas_get_corename(); }

}  // namespace tapegrad::kernels
