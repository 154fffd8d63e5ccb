#include "tensor/convolution.h"

#include <vector>

#include "tensor/kernels.h"
#include "tensor/products.h"
#include "tensor/tiled_convolution.h"

namespace tapegrad::kernels {
namespace {

// A thread's room for columns, kept for the next call.
template <Scalar T>
std::vector<T>& kept_columns() {
  thread_local std::vector<T> columns;
  return columns;
}

// One image's convolution as a matrix product: y [F, P] = w [F, K] columns [K, P], where column p
// holds the K pixels under the kernel at place p. Columns are made anew in the backward pass:
// copying pixels of one image that stays in the cache is cheaper than keeping the whole batch's
// columns, which are kh kw times as large as the batch.
template <Scalar T>
class ColumnProducts {
 public:
  explicit ColumnProducts(const Convolution& conv)
      : windows_(conv.windows), images_(conv.images), filters_(conv.filters) {
    const auto size = static_cast<std::size_t>(window_size() * places());
    if (!pointwise() && columns_.size() < size) columns_.resize(size);
  }

  void forward(View<const T> x, View<const T> w, View<const T> b, View<T> y) {
    for (Index n = 0; n < images_; ++n) {
      const View<T> yn = sample(y, n, filters_, places());
      loops<T>().repeat_columns(filters_, places(), b.data(), yn.data(), true);
      gemm<T>(Op::none, Op::none, matrix(w), columns_of(x, n), {yn, false});
    }
  }

  // dcolumns [K, P] = w^T dy, every entry going back to the pixel it was copied from.
  void x_vjp(View<const T> dy, View<const T> w, Target<T> dx) {
    if (dx.fresh && !pointwise()) fill<T>(T(0), dx);
    for (Index n = 0; n < images_; ++n) {
      const View<const T> dyn = sample(dy, n, filters_, places());
      if (pointwise()) {
        gemm<T>(Op::transpose, Op::none, matrix(w), dyn,
                {sample(dx.to, n, window_size(), places()), dx.fresh});
      } else {
        gemm<T>(Op::transpose, Op::none, matrix(w), dyn, columns());
        col2im<T>(windows_, columns_.data(), dx.to.data() + n * windows_.image_size());
      }
    }
  }

  // dw [F, K] = sum over the images of dy columns^T.
  void w_vjp(View<const T> dy, View<const T> x, Target<T> dw) {
    for (Index n = 0; n < images_; ++n) {
      gemm<T>(Op::none, Op::transpose, sample(dy, n, filters_, places()), columns_of(x, n),
              {dw.to.reshaped({filters_, window_size()}), dw.fresh && n == 0});
    }
  }

 private:
  Index places() const { return windows_.count(); }
  Index window_size() const { return windows_.window_size(); }
  View<const T> matrix(View<const T> w) const { return w.reshaped({filters_, window_size()}); }
  View<T> columns() { return {columns_.data(), {window_size(), places()}}; }

  // The n-th sample of a batch, as a matrix.
  template <class U>
  static View<U> sample(const View<U>& batch, Index n, Index rows, Index cols) {
    return {batch.data() + n * rows * cols, {rows, cols}};
  }

  // A kernel of one pixel that visits every pixel sees the image as it is.
  bool pointwise() const {
    return windows_.window_height == 1 && windows_.window_width == 1 && windows_.stride == 1 &&
           windows_.padding == 0;
  }

  View<const T> columns_of(View<const T> x, Index n) {
    if (pointwise()) return sample(x, n, window_size(), places());
    im2col<T>(windows_, x.data() + n * windows_.image_size(), columns_.data());
    return columns();
  }

  Windows windows_;
  Index images_, filters_;
  std::vector<T>& columns_ = kept_columns<T>();  // of one image
};

// Whether planes with their border of zeros, which our own loops make, are much larger than what
// goes in and comes out. In floating point, for they can be more than an Index counts.
bool mostly_border(const Windows& w) {
  constexpr double most = 16;
  const auto with_border = [&](Index n) { return static_cast<double>(n + 2 * w.padding); };
  return with_border(w.height) * with_border(w.width) >
         most * static_cast<double>(w.plane_size() + w.count());
}

// Our own loops, which need something to add up; null: columns.
const ProductLoops* loops_for(const Convolution& conv) {
  const Windows& w = conv.windows;
  const bool empty = conv.images == 0 || conv.filters == 0 || w.image_size() == 0;
  return empty || mostly_border(w) ? nullptr : product_loops();
}

}  // namespace

template <Scalar T>
void convolve(const Convolution& conv, View<const T> x, View<const T> w, View<const T> b,
              View<T> y) {
  if constexpr (std::same_as<T, float>) {
    if (const ProductLoops* own = loops_for(conv)) {
      tiled::convolve(*own, conv, x.data(), w.data(), b.data(), y.data());
      return;
    }
  }
  ColumnProducts<T>(conv).forward(x, w, b, y);
}

template <Scalar T>
void convolve_x_vjp(const Convolution& conv, View<const T> dy, View<const T> w, Target<T> dx) {
  if constexpr (std::same_as<T, float>) {
    const ProductLoops* own = loops_for(conv);
    if (own != nullptr && tiled::has_x_vjp(conv.windows)) {
      tiled::x_vjp(*own, conv, dy.data(), w.data(), dx.to.data(), dx.fresh);
      return;
    }
  }
  ColumnProducts<T>(conv).x_vjp(dy, w, dx);
}

template <Scalar T>
void convolve_w_vjp(const Convolution& conv, View<const T> dy, View<const T> x, Target<T> dw) {
  if (conv.images == 0) {
    if (dw.fresh) fill<T>(T(0), dw);
    return;
  }
  if constexpr (std::same_as<T, float>) {
    if (const ProductLoops* own = loops_for(conv)) {
      tiled::w_vjp(*own, conv, dy.data(), x.data(), dw.to.data(), dw.fresh);
      return;
    }
  }
  ColumnProducts<T>(conv).w_vjp(dy, x, dw);
}

#define TAPEGRAD_INSTANTIATE(T)                                                              \
  template void convolve(const Convolution&, View<const T>, View<const T>, View<const T>,    \
                         View<T>);                                                           \
  template void convolve_x_vjp(const Convolution&, View<const T>, View<const T>, Target<T>); \
  template void convolve_w_vjp(const Convolution&, View<const T>, View<const T>, Target<T>);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
TAPEGRAD_INSTANTIATE(Dual)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad::kernels
