#include "tensor/spatial.h"

#include <algorithm>

namespace tapegrad::kernels {
namespace {

// The part [first, last) of n windows in a row whose place `offset` lies inside an axis of `size`.
struct Inside {
  Inside(Index offset, Index size, Index stride, Index n)
      : first(std::min(offset >= 0 ? 0 : (-offset + stride - 1) / stride, n)),
        last(std::clamp(offset >= size ? 0 : (size - offset - 1) / stride + 1, first, n)) {}
  Index first;
  Index last;
};

// Calls f(row of columns, its image row, offset, windows inside) for every row of windows and every
// place in a window: the window at `i` of the row stands for pixel i * stride + offset of the image
// row, for i inside. The image row is null when all windows are above or below the image there.
template <class T, class F>
void for_each_row_of_places(const Windows& w, T* image, F f) {
  const Index rows = w.rows();
  const Index cols = w.cols();
  Index start = 0;
  for (Index c = 0; c < w.channels; ++c, image += w.plane_size()) {
    for (Index u = 0; u < w.window_height; ++u) {
      for (Index v = 0; v < w.window_width; ++v) {
        const Index offset = v - w.padding;
        const Inside inside(offset, w.width, w.stride, cols);
        for (Index i = 0; i < rows; ++i, start += cols) {
          const Index y = i * w.stride + u - w.padding;
          const bool there = 0 <= y && y < w.height;
          f(start, there ? image + y * w.width : nullptr, offset, inside);
        }
      }
    }
  }
}

}  // namespace

template <Scalar T>
void im2col(const Windows& w, const T* image, T* columns) {
  const Index cols = w.cols();
  const Index stride = w.stride;
  for_each_row_of_places(w, image, [=](Index start, const T* row, Index offset, Inside inside) {
    T* to = columns + start;
    if (row == nullptr) {
      std::fill_n(to, cols, T(0));
      return;
    }
    std::fill(to, to + inside.first, T(0));
    if (stride == 1) {
      std::copy(row + inside.first + offset, row + inside.last + offset, to + inside.first);
    } else {
      for (Index i = inside.first; i < inside.last; ++i) to[i] = row[i * stride + offset];
    }
    std::fill(to + inside.last, to + cols, T(0));
  });
}

template <Scalar T>
void col2im(const Windows& w, const T* columns, T* image) {
  const Index stride = w.stride;
  for_each_row_of_places(w, image, [=](Index start, T* row, Index offset, Inside inside) {
    if (row == nullptr) return;
    const T* __restrict from = columns + start;
    T* __restrict to = row + offset;
    if (stride == 1) {
      for (Index i = inside.first; i < inside.last; ++i) to[i] += from[i];
    } else {
      for (Index i = inside.first; i < inside.last; ++i) to[i * stride] += from[i];
    }
  });
}

namespace {

// Calls f(window, plane, place of the window's first number in its plane) for every window of every
// plane of N images.
template <class F>
void for_each_window(const Windows& w, Index planes, F f) {
  const Index rows = w.rows();
  const Index cols = w.cols();
  Index window = 0;
  for (Index p = 0; p < planes; ++p) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        f(window++, p, (i * w.width + j) * w.stride);
      }
    }
  }
}

Index planes(const Shape& shape) { return shape[0] * shape[1]; }

}  // namespace

template <Scalar T>
void max_pool(const Windows& w, View<const T> x, View<T> out, std::span<std::int32_t> from) {
  for_each_window(w, planes(x.shape()), [&](Index window, Index p, Index first) {
    const T* plane = x.data() + p * w.plane_size();
    Index best = first;
    for (Index u = 0; u < w.window_height; ++u) {
      for (Index v = 0; v < w.window_width; ++v) {
        const Index at = first + u * w.width + v;
        if (plane[at] > plane[best] || plane[at] != plane[at]) best = at;
      }
    }
    out.data()[window] = plane[best];
    from[static_cast<std::size_t>(window)] = static_cast<std::int32_t>(best);
  });
}

template <Scalar T>
void max_pool_vjp(const Windows& w, View<const T> dy, std::span<const std::int32_t> from,
                  Target<T> dx) {
  if (dx.fresh) std::fill(dx.to.begin(), dx.to.end(), T(0));
  for_each_window(w, planes(dx.to.shape()), [&](Index window, Index p, Index) {
    dx.to.data()[p * w.plane_size() + from[static_cast<std::size_t>(window)]] += dy.data()[window];
  });
}

template <Scalar T>
void avg_pool(const Windows& w, View<const T> x, View<T> out) {
  const T size = number<T>(w.window_height * w.window_width);
  for_each_window(w, planes(x.shape()), [&](Index window, Index p, Index first) {
    const T* corner = x.data() + p * w.plane_size() + first;
    T sum = 0;  // of rows, so that large windows lose fewer digits
    for (Index u = 0; u < w.window_height; ++u) {
      T row = 0;
      for (Index v = 0; v < w.window_width; ++v) row += corner[u * w.width + v];
      sum += row;
    }
    out.data()[window] = sum / size;
  });
}

template <Scalar T>
void avg_pool_vjp(const Windows& w, View<const T> dy, Target<T> dx) {
  const T size = number<T>(w.window_height * w.window_width);
  if (dx.fresh) std::fill(dx.to.begin(), dx.to.end(), T(0));
  for_each_window(w, planes(dx.to.shape()), [&](Index window, Index p, Index first) {
    T* corner = dx.to.data() + p * w.plane_size() + first;
    const T share = dy.data()[window] / size;
    for (Index u = 0; u < w.window_height; ++u) {
      for (Index v = 0; v < w.window_width; ++v) corner[u * w.width + v] += share;
    }
  });
}

#define TAPEGRAD_INSTANTIATE(T)                                                            \
  template void im2col(const Windows&, const T*, T*);                                      \
  template void col2im(const Windows&, const T*, T*);                                      \
  template void max_pool(const Windows&, View<const T>, View<T>, std::span<std::int32_t>); \
  template void max_pool_vjp(const Windows&, View<const T>, std::span<const std::int32_t>, \
                             Target<T>);                                                   \
  template void avg_pool(const Windows&, View<const T>, View<T>);                          \
  template void avg_pool_vjp(const Windows&, View<const T>, Target<T>);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
TAPEGRAD_INSTANTIATE(Dual)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad::kernels
