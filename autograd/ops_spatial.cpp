#include <fmt/format.h>

#include <limits>

#include "autograd/instantiate.h"
#include "autograd/ops.h"
#include "tensor/convolution.h"
#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/spatial.h"

namespace tapegrad {

using kernels::loops;
using kernels::Windows;

namespace {

constexpr Index farthest = Index{1} << 31;  // so that places can be counted

void require_conv2d(const Shape& x, const Shape& w, const Shape& b, Conv2dOptions options) {
  if (x.rank() != 4 || w.rank() != 4 || b.rank() != 1) {
    throw ShapeError(
        fmt::format("conv2d: x is {}, w is {}, b is {}, but x must be [N, Cin, H, W], w [Cout, "
                    "Cin, kh, kw], b [Cout]",
                    to_string(x), to_string(w), to_string(b)));
  }
  if (x[1] != w[1]) {
    throw ShapeError(
        fmt::format("conv2d: x is {} but w is {}: x channels ({}) must equal w input channels ({})",
                    to_string(x), to_string(w), x[1], w[1]));
  }
  if (b[0] != w[0]) {
    throw ShapeError(
        fmt::format("conv2d: b is {} but w is {}: b size ({}) must equal w output channels ({})",
                    to_string(b), to_string(w), b[0], w[0]));
  }
  if (options.stride < 1 || options.stride > farthest || options.padding < 0 ||
      options.padding > farthest) {
    throw OptionError(
        fmt::format("conv2d: stride is {} and padding {}, but stride must be in [1, 2^31] and "
                    "padding in [0, 2^31]",
                    options.stride, options.padding));
  }
}

// Throws unless at least one window fits; `what` the op calls a window.
void require_fits(const char* op, const char* what, const Shape& x, const Windows& w) {
  const Index height = w.height + 2 * w.padding;
  const Index width = w.width + 2 * w.padding;
  if (w.window_height >= 1 && w.window_width >= 1 && w.window_height <= height &&
      w.window_width <= width) {
    return;
  }
  throw ShapeError(fmt::format("{}: x is {}, so a {} of {} x {} does not fit into {} x {}{}", op,
                               to_string(x), what, w.window_height, w.window_width, height, width,
                               w.padding > 0 ? " (with padding)" : ""));
}

Windows conv_windows(const Shape& x, const Shape& w, const Shape& b, Conv2dOptions options) {
  require_conv2d(x, w, b, options);
  const Windows windows{x[1], x[2], x[3], w[2], w[3], options.stride, options.padding};
  require_fits("conv2d", "kernel", x, windows);
  return windows;
}

Windows pool_windows(const char* op, const Shape& x, Index size, Index stride) {
  if (x.rank() != 4) {
    throw ShapeError(fmt::format("{}: x is {}, but must be [N, C, H, W]", op, to_string(x)));
  }
  if (size < 1 || stride < 1 || stride > farthest) {
    throw OptionError(fmt::format(
        "{}: size is {} and stride {}, but both must be at least 1 and stride at most 2^31", op,
        size, stride));
  }
  const Windows windows{x[1], x[2], x[3], size, size, stride, 0};
  require_fits(op, "window", x, windows);
  return windows;
}

}  // namespace

template <Scalar T>
Var<T> conv2d(Var<T> x, Var<T> w, Var<T> b, Conv2dOptions options) {
  const Windows windows = conv_windows(x.shape(), w.shape(), b.shape(), options);
  auto& tape = x.tape();
  const Index images = x.shape()[0];
  const Index filters = w.shape()[0];
  auto y = tape.record("conv2d", {images, filters, windows.rows(), windows.cols()}, {x, w, b});
  const kernels::Convolution conv{windows, images, filters};
  kernels::convolve<T>(conv, x.value(), w.value(), b.value(), y.out());
  return y.vjp([=](View<const T> dy) {
    if (x.needs_grad()) kernels::convolve_x_vjp<T>(conv, dy, w.value(), x.grad());
    if (w.needs_grad()) kernels::convolve_w_vjp<T>(conv, dy, x.value(), w.grad());
    if (b.needs_grad()) {
      const Grad<T> db = b.grad();
      loops<T>().channel_sums({images, filters, windows.count()}, dy.data(), db.to.data(),
                              db.fresh);
    }
  });
}

template <Scalar T>
Var<T> max_pool2d(Var<T> x, Index size, Index stride) {
  const Windows windows = pool_windows("max_pool2d", x.shape(), size, stride);
  if (windows.plane_size() > std::numeric_limits<std::int32_t>::max()) {
    throw ShapeError(fmt::format(
        "max_pool2d: x is {}, but places in a plane are counted in 32 bits", to_string(x.shape())));
  }
  auto& tape = x.tape();
  auto y =
      tape.record("max_pool2d", {x.shape()[0], x.shape()[1], windows.rows(), windows.cols()}, {x});
  const auto from = tape.template scratch<std::int32_t>(y.shape().size());
  kernels::max_pool<T>(windows, x.value(), y.out(), from);
  return y.vjp([=](View<const T> dy) { kernels::max_pool_vjp<T>(windows, dy, from, x.grad()); });
}

template <Scalar T>
Var<T> avg_pool2d(Var<T> x, Index size, Index stride) {
  const Windows windows = pool_windows("avg_pool2d", x.shape(), size, stride);
  auto y = x.tape().record("avg_pool2d",
                           {x.shape()[0], x.shape()[1], windows.rows(), windows.cols()}, {x});
  kernels::avg_pool<T>(windows, x.value(), y.out());
  return y.vjp([=](View<const T> dy) { kernels::avg_pool_vjp<T>(windows, dy, x.grad()); });
}

#define TAPEGRAD_LIST(T)                                         \
  template Var<T> conv2d(Var<T>, Var<T>, Var<T>, Conv2dOptions); \
  template Var<T> max_pool2d(Var<T>, Index, Index);              \
  template Var<T> avg_pool2d(Var<T>, Index, Index);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
