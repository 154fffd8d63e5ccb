#include "tensor/convolution.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/tiled_convolution.h"
#include "tests/catch.h"
#include "tests/tensor/numbers.h"
#include "tests/tensor/product_tables.h"
#include "tests/worse.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

// Rows of places as long as a vector, shorter, longer and uneven; images that fill a tile, several
// to a tile, and several tiles to an image; windows that leave the image on one axis or both.
const Convolution every_kind[] = {
    {{.channels = 3, .height = 8, .width = 8, .window_height = 3, .window_width = 3, .padding = 1},
     37,
     7},
    {{.channels = 20,
      .height = 16,
      .width = 16,
      .window_height = 3,
      .window_width = 3,
      .padding = 1},
     3,
     16},
    {{.channels = 2,
      .height = 33,
      .width = 35,
      .window_height = 5,
      .window_width = 4,
      .padding = 2},
     2,
     6},
    {{.channels = 1, .height = 7, .width = 19, .window_height = 2, .window_width = 3}, 4, 5},
    {{.channels = 70, .height = 5, .width = 6, .window_height = 1, .window_width = 1}, 9, 11},
    {{.channels = 2,
      .height = 9,
      .width = 12,
      .window_height = 3,
      .window_width = 2,
      .stride = 2,
      .padding = 1},
     5,
     4},
    {{.channels = 9,
      .height = 1,
      .width = 2,
      .window_height = 4,
      .window_width = 5,
      .stride = 3,
      .padding = 4},
     3,
     1},
    {{.channels = 4, .height = 3, .width = 3, .window_height = 9, .window_width = 9, .padding = 3},
     2,
     3},
    {{.channels = 2, .height = 4, .width = 4, .window_height = 1, .window_width = 2, .padding = 2},
     2,
     3},
};

struct Operands {
  explicit Operands(const Convolution& conv)
      : x(random<float>(
            {conv.images, conv.windows.channels, conv.windows.height, conv.windows.width}, -1, 1,
            1)),
        w(random<float>({conv.filters, conv.windows.channels, conv.windows.window_height,
                         conv.windows.window_width},
                        -1, 1, 2)),
        b(random<float>({conv.filters}, -1, 1, 3)),
        dy(random<float>({conv.images, conv.filters, conv.windows.rows(), conv.windows.cols()}, -1,
                         1, 4)) {}
  Tensor<float> x, w, b, dy;
};

Tensor<double> doubled(const Tensor<float>& x) {
  Tensor<double> copy(x.shape());
  std::copy(x.begin(), x.end(), copy.begin());
  return copy;
}

// y, dx and dw, in double precision from columns; gradients are added to ones.
struct Reference {
  Reference(const Convolution& conv, const Operands& of)
      : y(of.dy.shape()), dx(of.x.shape(), 1), dw(of.w.shape(), 1) {
    const auto x = doubled(of.x), w = doubled(of.w), b = doubled(of.b), dy = doubled(of.dy);
    convolve<double>(conv, x, w, b, y.view());
    convolve_x_vjp<double>(conv, dy, w, {dx.view(), false});
    convolve_w_vjp<double>(conv, dy, x, {dw.view(), false});
  }
  Tensor<double> y, dx, dw;
};

// The largest difference beside the largest number of what is expected; NaN when any is.
double error(const Tensor<float>& got, const Tensor<double>& want) {
  double worst = 0;
  double size = 0;
  for (Index i = 0; i < want.size(); ++i) {
    const double e = std::abs(static_cast<double>(got[i]) - want[i]);
    worst = test::worse(worst, e);
    size = std::max(size, std::abs(want[i]));
  }
  return worst / size;
}

constexpr double tolerance = 3e-6;

bool same_bits(const Tensor<float>& x, const Tensor<float>& y) {
  return std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.size()) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("convolution: tiles give what columns give") {
  for (const Convolution& conv : every_kind) {
    const Operands of(conv);
    const Reference want(conv, of);
    for (const ProductTable& table : every_product_table()) {
      CAPTURE(table.name, conv.windows.width, conv.windows.window_width);
      const float nan = std::numeric_limits<float>::quiet_NaN();
      Tensor<float> y(of.dy.shape(), nan);
      tiled::convolve(*table.loops, conv, of.x.data(), of.w.data(), of.b.data(), y.data());
      CHECK(error(y, want.y) <= tolerance);

      Tensor<float> dw(of.w.shape(), 1);
      tiled::w_vjp(*table.loops, conv, of.dy.data(), of.x.data(), dw.data(), false);
      CHECK(error(dw, want.dw) <= tolerance);
      Tensor<float> fresh_dw(of.w.shape(), nan);
      tiled::w_vjp(*table.loops, conv, of.dy.data(), of.x.data(), fresh_dw.data(), true);
      for (float& number : fresh_dw) number += 1;
      CHECK(error(fresh_dw, want.dw) <= tolerance);

      if (!tiled::has_x_vjp(conv.windows)) continue;
      Tensor<float> dx(of.x.shape(), 1);
      tiled::x_vjp(*table.loops, conv, of.dy.data(), of.w.data(), dx.data(), false);
      CHECK(error(dx, want.dx) <= tolerance);
      Tensor<float> fresh_dx(of.x.shape(), nan);
      tiled::x_vjp(*table.loops, conv, of.dy.data(), of.w.data(), fresh_dx.data(), true);
      for (float& number : fresh_dx) number += 1;
      CHECK(error(fresh_dx, want.dx) <= tolerance);
    }
  }
}

namespace {

void check_floats_against_doubles(const Convolution& conv, const Operands& of) {
  CAPTURE(conv.windows.width, conv.windows.window_width, conv.windows.padding);
  const Reference want(conv, of);
  Tensor<float> y(of.dy.shape()), dx(of.x.shape(), 1), dw(of.w.shape(), 1);
  convolve<float>(conv, of.x, of.w, of.b, y.view());
  convolve_x_vjp<float>(conv, of.dy, of.w, {dx.view(), false});
  convolve_w_vjp<float>(conv, of.dy, of.x, {dw.view(), false});
  CHECK(error(y, want.y) <= tolerance);
  CHECK(error(dx, want.dx) <= tolerance);
  CHECK(error(dw, want.dw) <= tolerance);
}

}  // namespace

TEST_CASE("convolution: floats and doubles agree whichever way is taken") {
  for (const Convolution& conv : every_kind) check_floats_against_doubles(conv, Operands(conv));
}

TEST_CASE("convolution: the comparison notices one wrong pixel, one wrong weight and a NaN") {
  const Convolution& conv = every_kind[0];
  const Operands of(conv);
  const Reference want(conv, of);
  const auto error_of = [&](const Operands& changed) {
    Tensor<float> y(of.dy.shape());
    convolve<float>(conv, changed.x, changed.w, changed.b, y.view());
    return error(y, want.y);
  };
  CHECK(error_of(of) <= tolerance);
  Operands changed = of;
  changed.x[changed.x.size() - 1] += 0.01F;
  CHECK(!(error_of(changed) <= tolerance));
  changed = of;
  changed.w[changed.w.size() - 1] += 0.01F;
  CHECK(!(error_of(changed) <= tolerance));
  changed = of;
  changed.x[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(!(error_of(changed) <= tolerance));
}

TEST_CASE("convolution: NaN stays under the windows that see it") {
  const Convolution conv{
      {.channels = 1, .height = 8, .width = 8, .window_height = 3, .window_width = 3, .padding = 1},
      20,
      2};
  Operands of(conv);
  of.x(3, 0, 4, 4) = std::numeric_limits<float>::quiet_NaN();
  Tensor<float> y(of.dy.shape());
  convolve<float>(conv, of.x, of.w, of.b, y.view());
  for (Index n = 0; n < 20; ++n) {
    for (Index i = 0; i < 8; ++i) {
      for (Index j = 0; j < 8; ++j) {
        const bool sees = n == 3 && std::abs(i - 4) <= 1 && std::abs(j - 4) <= 1;
        CHECK(std::isnan(y(n, 1, i, j)) == sees);
      }
    }
  }
}

TEST_CASE("convolution: the same bits on any number of threads") {
  for (const Convolution& conv : every_kind) {
    const Operands of(conv);
    const auto compute = [&](int threads) {
      const Threads scope(threads);
      std::vector<Tensor<float>> all{Tensor<float>(of.dy.shape()), Tensor<float>(of.x.shape()),
                                     Tensor<float>(of.w.shape())};
      convolve<float>(conv, of.x, of.w, of.b, all[0].view());
      convolve_x_vjp<float>(conv, of.dy, of.w, {all[1].view(), true});
      convolve_w_vjp<float>(conv, of.dy, of.x, {all[2].view(), true});
      return all;
    };
    const auto alone = compute(1);
    for (const int threads : {2, 3, 8}) {
      const auto together = compute(threads);
      for (std::size_t i = 0; i < alone.size(); ++i) CHECK(same_bits(together[i], alone[i]));
    }
  }
}

TEST_CASE("convolution: without images, channels, filters or pixels") {
  for (const Shape& sizes : {Shape{0, 2, 3, 4, 4}, Shape{2, 0, 3, 4, 4}, Shape{2, 3, 0, 4, 4},
                             Shape{2, 2, 3, 0, 4}, Shape{2, 2, 3, 4, 0}}) {
    const Convolution conv{{.channels = sizes[1],
                            .height = sizes[3],
                            .width = sizes[4],
                            .window_height = 3,
                            .window_width = 3,
                            .padding = 2},
                           sizes[0],
                           sizes[2]};
    CAPTURE(to_string(sizes));
    const Operands of(conv);
    Tensor<float> y(of.dy.shape(), 7), dx(of.x.shape(), 7), dw(of.w.shape(), 7);
    convolve<float>(conv, of.x, of.w, of.b, y.view());
    convolve_x_vjp<float>(conv, of.dy, of.w, {dx.view(), true});
    convolve_w_vjp<float>(conv, of.dy, of.x, {dw.view(), true});
    for (Index i = 0; i < y.size(); ++i) {  // there are filters, but nothing under them
      CHECK(y[i] == of.b[i / conv.windows.count() % conv.filters]);
    }
    for (const float number : dx) CHECK(number == 0);
    for (const float number : dw) CHECK(number == 0);
  }
}

// Each window but the middle one sees the border alone.
TEST_CASE("convolution: padding by far wider than the image takes no memory") {
  for (const Index far : {Index{1} << 20, Index{1} << 31}) {
    const Convolution conv{{.channels = 1,
                            .height = 1,
                            .width = 1,
                            .window_height = 1,
                            .window_width = 1,
                            .stride = far,
                            .padding = far},
                           2,
                           1};
    const Operands of(conv);
    CHECK(of.dy.shape() == Shape{2, 1, 3, 3});
    check_floats_against_doubles(conv, of);
  }
}
