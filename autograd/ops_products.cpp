#include <fmt/format.h>

#include <algorithm>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::Op;

namespace {

void require_matmul(const Shape& a, const Shape& b) {
  if (a.rank() < 2 || b.rank() < 2) {
    throw ShapeError(fmt::format(
        "matmul: a is {} and b is {}, but both need at least two axes; reshape a vector to one row "
        "or one column",
        to_string(a), to_string(b)));
  }
  const Index a_columns = a[a.rank() - 1];
  const Index b_rows = b[b.rank() - 2];
  if (a_columns != b_rows) {
    throw ShapeError(
        fmt::format("matmul: a is {} but b is {}: a columns ({}) must equal b rows ({})",
                    to_string(a), to_string(b), a_columns, b_rows));
  }
}

void require_linear(const Shape& x, const Shape& w, const Shape& b) {
  if (x.rank() < 1 || w.rank() != 2 || b.rank() != 1) {
    throw ShapeError(
        fmt::format("linear: x is {}, w is {}, b is {}, but x must be [..., in], w [out, "
                    "in], b [out]",
                    to_string(x), to_string(w), to_string(b)));
  }
  const Index x_columns = x[x.rank() - 1];
  if (x_columns != w[1]) {
    throw ShapeError(
        fmt::format("linear: x is {} but w is {}: x columns ({}) must equal w columns "
                    "({})",
                    to_string(x), to_string(w), x_columns, w[1]));
  }
  if (b[0] != w[0]) {
    throw ShapeError(fmt::format("linear: b is {} but w is {}: b size ({}) must equal w rows ({})",
                                 to_string(b), to_string(w), b[0], w[0]));
  }
}

// The leading axes of a stack of matrices, followed by `rows` and `cols`.
Shape stack_of(const Shape& leading, Index rows, Index cols) {
  Index sizes[Shape::max_rank];
  Index* end = std::copy(leading.begin(), leading.end() - 2, sizes);
  *end++ = rows;
  *end++ = cols;
  return Shape(std::span<const Index>(sizes, end));
}

// The i-th matrix of a stack.
template <class T>
View<T> matrix(const View<T>& stack, Index i) {
  const Shape& shape = stack.shape();
  const Index rows = shape[shape.rank() - 2];
  const Index cols = shape[shape.rank() - 1];
  return {stack.data() + i * rows * cols, {rows, cols}};
}

// out[i] = op(a[i]) op(b[i]) for every matrix of equally long stacks.
template <Scalar T>
void gemm_stack(Op op_a, Op op_b, View<const T> a, View<const T> b, Target<T> out) {
  const Shape& shape = out.to.shape();
  Index count = 1;
  for (int i = 0; i < shape.rank() - 2; ++i) count *= shape[i];
  for (Index i = 0; i < count; ++i) {
    kernels::gemm<T>(op_a, op_b, matrix(a, i), matrix(b, i), {matrix(out.to, i), out.fresh});
  }
}

// All rows under the leading axes as those of one matrix.
template <class T>
View<T> rows_of(const View<T>& x) {
  const Shape& shape = x.shape();
  Index rows = 1;
  for (int i = 0; i < shape.rank() - 1; ++i) rows *= shape[i];
  return x.reshaped({rows, shape[shape.rank() - 1]});
}

template <class T>
Target<T> rows_of(const Target<T>& x) {
  return {rows_of(x.to), x.fresh};
}

// One matrix b for all of a's rows.
template <Scalar T>
Var<T> matmul_rows(Var<T> a, Var<T> b) {
  auto y = a.tape().record("matmul", a.shape().with(-1, b.shape()[1]), {a, b});
  kernels::gemm<T>(Op::none, Op::none, rows_of(a.value()), b.value(), rows_of(y.out()));
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) {
      kernels::gemm<T>(Op::none, Op::transpose, rows_of(dy), b.value(), rows_of(a.grad()));
    }
    if (b.needs_grad()) {
      kernels::gemm<T>(Op::transpose, Op::none, rows_of(a.value()), rows_of(dy), b.grad());
    }
  });
}

}  // namespace

template <Scalar T>
Var<T> matmul(Var<T> a, Var<T> b) {
  require_matmul(a.shape(), b.shape());
  if (b.shape().rank() == 2) return matmul_rows(a, b);
  const Index m = a.shape()[a.shape().rank() - 2];
  const Index k = a.shape()[a.shape().rank() - 1];
  const Index n = b.shape()[b.shape().rank() - 1];
  const Shape leading =
      broadcast_shapes(stack_of(a.shape(), 1, 1), stack_of(b.shape(), 1, 1), "matmul");
  if (const Shape full = stack_of(leading, m, k); a.shape() != full) a = broadcast_to(a, full);
  if (const Shape full = stack_of(leading, k, n); b.shape() != full) b = broadcast_to(b, full);

  auto y = a.tape().record("matmul", stack_of(leading, m, n), {a, b});
  gemm_stack<T>(Op::none, Op::none, a.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (a.needs_grad()) gemm_stack<T>(Op::none, Op::transpose, dy, b.value(), a.grad());
    if (b.needs_grad()) gemm_stack<T>(Op::transpose, Op::none, a.value(), dy, b.grad());
  });
}

template <Scalar T>
Var<T> linear(Var<T> x, Var<T> w, Var<T> b) {
  require_linear(x.shape(), w.shape(), b.shape());
  auto y = x.tape().record("linear", x.shape().with(-1, w.shape()[0]), {x, w, b});
  kernels::linear<T>(rows_of(x.value()), w.value(), b.value(), rows_of(y.out()));
  return y.vjp([=](View<const T> dy) {
    if (x.needs_grad()) {
      kernels::gemm<T>(Op::none, Op::none, rows_of(dy), w.value(), rows_of(x.grad()));
    }
    if (w.needs_grad()) w.add_product(rows_of(dy), rows_of(x.value()));
    if (b.needs_grad()) kernels::sum_axis<T>(rows_of(dy), 0, b.grad());
  });
}

#define TAPEGRAD_LIST(T)                  \
  template Var<T> matmul(Var<T>, Var<T>); \
  template Var<T> linear(Var<T>, Var<T>, Var<T>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
