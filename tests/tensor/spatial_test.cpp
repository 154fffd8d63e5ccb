#include "tensor/spatial.h"

#include <cmath>
#include <vector>

#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::kernels;

namespace {

const Windows every_kind[] = {
    {.channels = 2, .height = 5, .width = 4, .window_height = 3, .window_width = 2},
    {.channels = 1,
     .height = 4,
     .width = 6,
     .window_height = 3,
     .window_width = 3,
     .stride = 2,
     .padding = 1},
    {.channels = 3, .height = 2, .width = 3, .window_height = 1, .window_width = 1, .padding = 2},
    {.channels = 1,
     .height = 1,
     .width = 2,
     .window_height = 4,
     .window_width = 5,
     .stride = 3,
     .padding = 4},
};

// The pixel of channel c at row y, column x; 0 outside the image.
double pixel(const Windows& w, const Tensor<double>& image, Index c, Index y, Index x) {
  if (y < 0 || y >= w.height || x < 0 || x >= w.width) return 0;
  return image(c, y, x);
}

// im2col, directly from its definition.
Tensor<double> columns_of(const Windows& w, const Tensor<double>& image) {
  Tensor<double> columns({w.channels, w.window_height, w.window_width, w.rows(), w.cols()});
  double* to = columns.data();
  for (Index c = 0; c < w.channels; ++c) {
    for (Index u = 0; u < w.window_height; ++u) {
      for (Index v = 0; v < w.window_width; ++v) {
        for (Index i = 0; i < w.rows(); ++i) {
          for (Index j = 0; j < w.cols(); ++j) {
            *to++ = pixel(w, image, c, i * w.stride + u - w.padding, j * w.stride + v - w.padding);
          }
        }
      }
    }
  }
  return columns;
}

double dot(const Tensor<double>& a, const Tensor<double>& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST_CASE("spatial: im2col gives every window's pixels, 0 outside the image") {
  for (const Windows& w : every_kind) {
    const Tensor<double> image = Rng(1).uniform<double>({w.channels, w.height, w.width}, 1, 2);
    const Tensor<double> want = columns_of(w, image);
    CHECK(want.size() == w.window_size() * w.count());
    Tensor<double> columns(want.shape(), -1);
    im2col<double>(w, image.data(), columns.data());
    CHECK(columns == want);
  }
}

TEST_CASE("spatial: col2im is im2col's transpose and adds to what is there") {
  for (const Windows& w : every_kind) {
    const Tensor<double> image = Rng(1).uniform<double>({w.channels, w.height, w.width}, 1, 2);
    const Tensor<double> columns = Rng(2).uniform<double>(columns_of(w, image).shape(), 1, 2);
    Tensor<double> back(image.shape(), 3);
    col2im<double>(w, columns.data(), back.data());
    for (double& number : back) number -= 3;
    const double one = dot(columns, columns_of(w, image));
    CHECK(!(std::abs(dot(back, image) - one) > 1e-12 * one));
    back[0] += 1e-6;
    CHECK(std::abs(dot(back, image) - one) > 1e-12 * one);
  }
}

TEST_CASE("spatial: pooling by hand") {
  const Tensor<double> x({1, 1, 3, 4}, {1, 2, 3, 4,  //
                                        8, 7, 6, 5,  //
                                        9, 0, 9, 1});
  const Windows w{
      .channels = 1, .height = 3, .width = 4, .window_height = 2, .window_width = 2, .stride = 1};
  Tensor<double> y({1, 1, 2, 3});
  std::vector<std::int32_t> from(6);
  max_pool<double>(w, x, y, from);
  CHECK(y == Tensor<double>({1, 1, 2, 3}, {8, 7, 6, 9, 9, 9}));
  CHECK(from == std::vector<std::int32_t>{4, 5, 6, 8, 10, 10});
  const Tensor<double> dy({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
  Tensor<double> dx({1, 1, 3, 4}, 100);
  max_pool_vjp<double>(w, dy, from, {dx.view(), false});
  CHECK(dx ==
        Tensor<double>({1, 1, 3, 4}, {100, 100, 100, 100, 101, 102, 103, 100, 104, 100, 111, 100}));
  avg_pool<double>(w, x, y);
  CHECK(y == Tensor<double>({1, 1, 2, 3}, {4.5, 4.5, 4.5, 6, 5.5, 5.25}));
  avg_pool_vjp<double>(w, dy, {dx.view(), true});
  CHECK(dx == Tensor<double>({1, 1, 3, 4},
                             {0.25, 0.75, 1.25, 0.75, 1.25, 3, 4, 2.25, 1, 2.25, 2.75, 1.5}));
}
