#include <fmt/format.h>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::apply_rows;
using kernels::loops;

namespace {

void require_classes(const char* op, const Shape& x) {
  if (x.rank() < 1) {
    throw ShapeError(fmt::format("{}: x is a single number, but needs an axis of classes", op));
  }
}

void require_labels(const Shape& logits, std::span<const std::int32_t> labels) {
  if (logits.rank() != 2) {
    throw ShapeError(fmt::format("softmax_cross_entropy: logits are {}, but must be [N, classes]",
                                 to_string(logits)));
  }
  if (std::ssize(labels) != logits[0]) {
    throw ShapeError(
        fmt::format("softmax_cross_entropy: logits are {} but there are {} labels: rows "
                    "({}) must equal labels ({})",
                    to_string(logits), labels.size(), logits[0], labels.size()));
  }
  for (std::size_t n = 0; n < labels.size(); ++n) {
    if (labels[n] < 0 || labels[n] >= logits[1]) {
      throw ShapeError(fmt::format("softmax_cross_entropy: label {} at row {} is outside 0..{}",
                                   labels[n], n, logits[1] - 1));
    }
  }
}

}  // namespace

template <Scalar T>
Var<T> softmax(Var<T> x) {
  require_classes("softmax", x.shape());
  auto y = x.tape().record("softmax", x.shape(), {x});
  apply_rows<T>(loops<T>().softmax, x.value(), y.out());
  return y.vjp(
      [=](View<const T> dy) { apply_rows<T>(loops<T>().softmax_vjp, dy, y.value(), x.grad()); });
}

template <Scalar T>
Var<T> log_softmax(Var<T> x) {
  require_classes("log_softmax", x.shape());
  auto y = x.tape().record("log_softmax", x.shape(), {x});
  apply_rows<T>(loops<T>().log_softmax, x.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    apply_rows<T>(loops<T>().log_softmax_vjp, dy, y.value(), x.grad());
  });
}

template <Scalar T>
Var<T> softmax_cross_entropy(Var<T> logits, std::span<const std::int32_t> labels) {
  require_labels(logits.shape(), labels);
  auto& tape = logits.tape();
  const Index rows = logits.shape()[0];
  const Index classes = logits.shape()[1];
  auto loss = tape.record("softmax_cross_entropy", Shape{}, {logits});
  const auto kept = tape.copy(labels);
  const auto p = tape.template scratch<T>(rows * classes);
  const T n = number<T>(rows);
  loss.out()[0] =
      loops<T>().cross_entropy(rows, classes, logits.value().data(), kept.data(), p.data()) / n;
  return loss.vjp([=](View<const T> dloss) {
    const Grad<T> dx = logits.grad();
    loops<T>().cross_entropy_vjp(rows, classes, dloss[0] / n, p.data(), kept.data(), dx.to.data(),
                                 dx.fresh);
  });
}

#define TAPEGRAD_LIST(T)               \
  template Var<T> softmax(Var<T>);     \
  template Var<T> log_softmax(Var<T>); \
  template Var<T> softmax_cross_entropy(Var<T>, std::span<const std::int32_t>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
