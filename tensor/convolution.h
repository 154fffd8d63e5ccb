// Convolutions as matrix products.
#pragma once

#include "tensor/loops.h"
#include "tensor/spatial.h"

namespace tapegrad::kernels {

/// A convolution of images [N, C, H, W] with filters [F, C, kh, kw], laid over them as `windows`
/// says: y [N, F, rows, cols]. Floats go through our own product loops where there are some.
struct Convolution {
  Windows windows;
  Index images, filters;
};

/// y[n, f] = b[f] + sum over c, u, v of w[f, c, u, v] x[n, c] at the window's place (u, v).
template <Scalar T>
void convolve(const Convolution& conv, View<const T> x, View<const T> w, View<const T> b,
              View<T> y);

/// dx[n]: every w[f, c, u, v] dy[n, f] goes back to the pixel that it was multiplied with.
template <Scalar T>
void convolve_x_vjp(const Convolution& conv, View<const T> dy, View<const T> w, Target<T> dx);

/// dw[f, c, u, v] = sum over all windows of dy times the window's pixel (c, u, v).
template <Scalar T>
void convolve_w_vjp(const Convolution& conv, View<const T> dy, View<const T> x, Target<T> dw);

}  // namespace tapegrad::kernels
