#include <fmt/format.h>

#include "autograd/instantiate.h"
#include "autograd/labels.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::loops;

namespace {

void require_targets(const char* op, const Shape& logits, const Shape& targets) {
  if (logits != targets) {
    throw ShapeError(fmt::format("{}: logits are {} but targets are {}: their shapes must be equal",
                                 op, to_string(logits), to_string(targets)));
  }
}

}  // namespace

template <Scalar T>
Var<T> softmax_cross_entropy(Var<T> logits, std::span<const std::int32_t> labels) {
  require_labels("softmax_cross_entropy", "logits", logits.shape(), labels);
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

template <Scalar T>
Var<T> softmax_cross_entropy(Var<T> logits, std::type_identity_t<View<const T>> targets) {
  if (logits.shape().rank() != 2) {
    throw ShapeError(fmt::format("softmax_cross_entropy: logits are {}, but must be [N, classes]",
                                 to_string(logits.shape())));
  }
  require_targets("softmax_cross_entropy", logits.shape(), targets.shape());
  auto& tape = logits.tape();
  const Index rows = logits.shape()[0];
  const Index classes = logits.shape()[1];
  auto loss = tape.record("softmax_cross_entropy", Shape{}, {logits});
  const auto t = tape.copy(std::span<const T>(targets.span()));
  const auto p = tape.template scratch<T>(rows * classes);
  const T n = number<T>(rows);
  loss.out()[0] =
      loops<T>().soft_cross_entropy(rows, classes, logits.value().data(), t.data(), p.data()) / n;
  return loss.vjp([=](View<const T> dloss) {
    const Grad<T> dx = logits.grad();
    loops<T>().soft_cross_entropy_vjp(rows, classes, dloss[0] / n, p.data(), t.data(), dx.to.data(),
                                      dx.fresh);
  });
}

template <Scalar T>
Var<T> multiclass_hinge(Var<T> scores, std::span<const std::int32_t> labels) {
  require_labels("multiclass_hinge", "scores", scores.shape(), labels);
  auto& tape = scores.tape();
  const Index rows = scores.shape()[0];
  const Index classes = scores.shape()[1];
  auto loss = tape.record("multiclass_hinge", Shape{}, {scores});
  const auto kept = tape.copy(labels);
  const T n = number<T>(rows);
  loss.out()[0] = loops<T>().hinge(rows, classes, scores.value().data(), kept.data()) / n;
  return loss.vjp([=](View<const T> dloss) {
    const Grad<T> ds = scores.grad();
    loops<T>().hinge_vjp(rows, classes, dloss[0] / n, scores.value().data(), kept.data(),
                         ds.to.data(), ds.fresh);
  });
}

template <Scalar T>
Var<T> binary_cross_entropy_with_logits(Var<T> logits,
                                        std::type_identity_t<View<const T>> targets) {
  require_targets("binary_cross_entropy_with_logits", logits.shape(), targets.shape());
  auto& tape = logits.tape();
  const Index size = logits.shape().size();
  auto loss = tape.record("binary_cross_entropy_with_logits", Shape{}, {logits});
  const auto t = tape.copy(std::span<const T>(targets.span()));
  const T n = number<T>(size);
  loss.out()[0] = loops<T>().binary_cross_entropy(size, logits.value().data(), t.data()) / n;
  return loss.vjp([=](View<const T> dloss) {
    const Grad<T> dx = logits.grad();
    loops<T>().binary_cross_entropy_vjp(size, dloss[0] / n, logits.value().data(), t.data(),
                                        dx.to.data(), dx.fresh);
  });
}

template <Scalar T>
Var<T> mse(Var<T> a, Var<T> b) {
  if (a.shape() != b.shape()) {
    throw ShapeError(fmt::format(
        "mse: a is {} but b is {}: their shapes must be equal, nothing broadcasts; reshape one",
        to_string(a.shape()), to_string(b.shape())));
  }
  auto loss = a.tape().record("mse", Shape{}, {a, b});
  const Index size = a.shape().size();
  const T n = number<T>(size);
  loss.out()[0] = loops<T>().squared_distance(size, a.value().data(), b.value().data()) / n;
  return loss.vjp([=](View<const T> dloss) {
    const T k = T(2) * dloss[0] / n;
    const auto pull = [=](Var<T> x, Var<T> from) {
      const Grad<T> dx = x.grad();
      loops<T>().scaled_difference(size, k, x.value().data(), from.value().data(), dx.to.data(),
                                   dx.fresh);
    };
    if (a.needs_grad()) pull(a, b);
    if (b.needs_grad()) pull(b, a);
  });
}

#define TAPEGRAD_LIST(T)                                                                         \
  template Var<T> softmax_cross_entropy(Var<T>, std::span<const std::int32_t>);                  \
  template Var<T> softmax_cross_entropy(Var<T>, std::type_identity_t<View<const T>>);            \
  template Var<T> multiclass_hinge(Var<T>, std::span<const std::int32_t>);                       \
  template Var<T> binary_cross_entropy_with_logits(Var<T>, std::type_identity_t<View<const T>>); \
  template Var<T> mse(Var<T>, Var<T>);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
