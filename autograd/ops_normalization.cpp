#include <fmt/format.h>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

using kernels::apply;
using kernels::Channels;
using kernels::loops;

namespace {

void require_eps(const char* op, double eps) {
  if (!(eps >= 0)) throw OptionError(fmt::format("{}: eps is {}, but must be at least 0", op, eps));
}

// `count` is the size of the axis that `part` goes along, which the op calls `axis`.
void require_one_each(const char* op, const char* part, const Shape& shape, const Shape& x,
                      const char* axis, Index count) {
  if (shape.rank() == 1 && shape[0] == count) return;
  throw ShapeError(fmt::format("{}: {} is {} but x is {}: it must be [{}], one number for each {}",
                               op, part, to_string(shape), to_string(x), count, axis));
}

Channels require_batch(const Shape& x, const Shape& gamma, const Shape& beta, double eps) {
  if (x.rank() != 2 && x.rank() != 4) {
    throw ShapeError(
        fmt::format("batch_norm: x is {}, but must be [N, C] or [N, C, H, W]", to_string(x)));
  }
  require_one_each("batch_norm", "gamma", gamma, x, "channel", x[1]);
  require_one_each("batch_norm", "beta", beta, x, "channel", x[1]);
  require_eps("batch_norm", eps);
  return {x[0], x[1], x.rank() == 4 ? x[2] * x[3] : 1};
}

Index require_rows(const Shape& x, const Shape& gamma, const Shape& beta, double eps) {
  if (x.rank() < 1) {
    throw ShapeError("layer_norm: x is a single number, but needs an axis to normalize along");
  }
  const Index d = x[x.rank() - 1];
  require_one_each("layer_norm", "gamma", gamma, x, "column", d);
  require_one_each("layer_norm", "beta", beta, x, "column", d);
  require_eps("layer_norm", eps);
  return d;
}

template <Scalar T>
View<T> scratch(Tape<T>& tape, Index n) {
  return {tape.template scratch<T>(n).data(), {n}};
}

// The vjp of y = gamma xhat + beta for gamma and beta, which go along the given axis.
template <Scalar T>
void gamma_beta_vjp(Channels along, View<const T> dy, View<const T> xhat, Var<T> gamma,
                    Var<T> beta) {
  if (gamma.needs_grad()) {
    const Grad<T> dgamma = gamma.grad();
    loops<T>().channel_dots(along, dy.data(), xhat.data(), dgamma.to.data(), dgamma.fresh);
  }
  if (beta.needs_grad()) {
    const Grad<T> dbeta = beta.grad();
    loops<T>().channel_sums(along, dy.data(), dbeta.to.data(), dbeta.fresh);
  }
}

// Both normalizations: x is measured and normalized along `groups`; gamma and beta go along
// `along`.
template <Scalar T>
Var<T> normalized(const char* op, Var<T> x, Var<T> gamma, Var<T> beta, double eps, Channels groups,
                  Channels along, BatchStatistics<T>* measured) {
  auto& tape = x.tape();
  auto y = tape.record(op, x.shape(), {x, gamma, beta});
  const View<T> mean = scratch(tape, groups.count);
  const View<T> var = scratch(tape, groups.count);
  const View<T> rstd = scratch(tape, groups.count);
  const View<T> xhat = scratch(tape, x.shape().size());
  const View<T> dxhat = scratch(tape, x.needs_grad() ? x.shape().size() : 0);
  const View<T> work = scratch(tape, x.needs_grad() ? 2 * groups.count : 0);
  loops<T>().moments(groups, x.value().data(), mean.data(), var.data());
  if (measured != nullptr) *measured = {mean, var};
  apply<T>(loops<T>().reciprocal_root, T(eps), var, rstd);
  loops<T>().normalize(groups, x.value().data(), mean.data(), rstd.data(), xhat.data());
  loops<T>().channel_affine(along, xhat.data(), gamma.value().data(), beta.value().data(),
                            y.out().data());
  return y.vjp([=](View<const T> dy) {
    gamma_beta_vjp<T>(along, dy, xhat, gamma, beta);
    if (x.needs_grad()) {
      const Grad<T> dx = x.grad();
      loops<T>().channel_scale(along, dy.data(), gamma.value().data(), dxhat.data(), true);
      loops<T>().normalize_vjp(groups, dxhat.data(), xhat.data(), rstd.data(), work.data(),
                               dx.to.data(), dx.fresh);
    }
  });
}

}  // namespace

template <Scalar T>
Var<T> batch_norm(Var<T> x, Var<T> gamma, Var<T> beta, double eps, BatchStatistics<T>* measured) {
  const Channels channels = require_batch(x.shape(), gamma.shape(), beta.shape(), eps);
  return normalized("batch_norm", x, gamma, beta, eps, channels, channels, measured);
}

template <Scalar T>
Var<T> batch_norm(Var<T> x, Var<T> gamma, Var<T> beta, std::type_identity_t<View<const T>> mean,
                  std::type_identity_t<View<const T>> var, double eps) {
  const Channels channels = require_batch(x.shape(), gamma.shape(), beta.shape(), eps);
  require_one_each("batch_norm", "mean", mean.shape(), x.shape(), "channel", channels.count);
  require_one_each("batch_norm", "var", var.shape(), x.shape(), "channel", channels.count);
  auto& tape = x.tape();
  auto y = tape.record("batch_norm", x.shape(), {x, gamma, beta});
  const View<T> rstd = scratch(tape, channels.count);
  const View<T> slope = scratch(tape, channels.count);
  const View<T> xhat = scratch(tape, x.shape().size());
  apply<T>(loops<T>().reciprocal_root, T(eps), var, rstd);
  apply<T>(loops<T>().multiply, gamma.value(), rstd, slope);
  loops<T>().normalize(channels, x.value().data(), mean.data(), rstd.data(), xhat.data());
  loops<T>().channel_affine(channels, xhat.data(), gamma.value().data(), beta.value().data(),
                            y.out().data());
  return y.vjp([=](View<const T> dy) {
    gamma_beta_vjp<T>(channels, dy, xhat, gamma, beta);
    if (x.needs_grad()) {
      const Grad<T> dx = x.grad();
      loops<T>().channel_scale(channels, dy.data(), slope.data(), dx.to.data(), dx.fresh);
    }
  });
}

template <Scalar T>
Var<T> layer_norm(Var<T> x, Var<T> gamma, Var<T> beta, double eps) {
  const Index d = require_rows(x.shape(), gamma.shape(), beta.shape(), eps);
  const Index rows = d == 0 ? 0 : x.shape().size() / d;
  return normalized<T>("layer_norm", x, gamma, beta, eps, {1, rows, d}, {rows, d, 1}, nullptr);
}

#define TAPEGRAD_LIST(T)                                                                  \
  template Var<T> batch_norm(Var<T>, Var<T>, Var<T>, double, BatchStatistics<T>*);        \
  template Var<T> batch_norm(Var<T>, Var<T>, Var<T>, std::type_identity_t<View<const T>>, \
                             std::type_identity_t<View<const T>>, double);                \
  template Var<T> layer_norm(Var<T>, Var<T>, Var<T>, double);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
