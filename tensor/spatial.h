// Loops over images [N, C, H, W]: the columns that turn a convolution into a matrix product, and
// pooling.
#pragma once

#include <span>

#include "tensor/view.h"

namespace tapegrad::kernels {

/// How windows lie over an image of `channels` planes: `stride` apart, starting at
/// (-padding, -padding). Every window has at least one place.
struct Windows {
  Index channels, height, width;
  Index window_height, window_width;
  Index stride = 1;
  Index padding = 0;

  /// How many windows lie below one another and side by side.
  Index rows() const { return (height + 2 * padding - window_height) / stride + 1; }
  Index cols() const { return (width + 2 * padding - window_width) / stride + 1; }
  Index count() const { return rows() * cols(); }

  /// Numbers in one window, over all channels.
  Index window_size() const { return channels * window_height * window_width; }
  Index plane_size() const { return height * width; }
  Index image_size() const { return channels * plane_size(); }
};

/// columns [window_size, count]: column j holds the numbers of window j, in the order [C, kh, kw],
/// 0 where the window leaves the image. `image` is one image [C, H, W].
template <Scalar T>
void im2col(const Windows& w, const T* image, T* columns);

/// The reverse: every number of `columns` is added to the pixel that im2col took it from.
template <Scalar T>
void col2im(const Windows& w, const T* columns, T* image);

/// out [N, C, rows, cols] = the largest number of every window, and in `from` its place in its
/// plane: the first on ties, or a NaN. No padding.
template <Scalar T>
void max_pool(const Windows& w, View<const T> x, View<T> out, std::span<std::int32_t> from);

/// dx gets dy of every window at the place that max_pool noted.
template <Scalar T>
void max_pool_vjp(const Windows& w, View<const T> dy, std::span<const std::int32_t> from,
                  Target<T> dx);

/// out [N, C, rows, cols] = the mean of every window. No padding.
template <Scalar T>
void avg_pool(const Windows& w, View<const T> x, View<T> out);

/// dx gets dy / (window size) of every window at each of its places.
template <Scalar T>
void avg_pool_vjp(const Windows& w, View<const T> dy, Target<T> dx);

}  // namespace tapegrad::kernels
