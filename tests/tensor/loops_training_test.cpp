// The loops that read images and move parameters, by their definitions.
#include <algorithm>
#include <limits>
#include <vector>

#include "tensor/loops.h"
#include "tests/catch.h"
#include "tests/tensor/loop_tables.h"
#include "tests/tensor/numbers.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

constexpr Index sizes[] = {0, 1, 15, 16, 17, 100};

}  // namespace

TEMPLATE_TEST_CASE("loops: decoding images that lie anywhere", "", float, double) {
  using T = TestType;
  for (const Index count : {1, 3, 4, 5, 8, 9, 13}) {
    for (const Index n : {0, 1, 7, 8, 9, 63, 64, 65, 100, 200}) {
      CAPTURE(count, n);
      const Tensor<T> scale = random<T>({n}, -3, 3, 13);
      const Tensor<T> shift = random<T>({n}, -3, 3, 14);
      std::vector<std::vector<std::uint8_t>> pixels;
      std::vector<const std::uint8_t*> images;
      std::vector<T> want;
      for (Index r = 0; r < count; ++r) {
        pixels.emplace_back();
        for (Index i = 0; i < n; ++i) {
          const auto byte = static_cast<std::uint8_t>(17 * i + 101 * r);
          pixels.back().push_back(byte);
          want.push_back(static_cast<T>(byte) * scale[i] + shift[i]);
        }
        images.push_back(pixels.back().data());
      }
      for (const auto& tables : every_table<T>()) {
        CAPTURE(tables.loops->instruction_set);
        Tensor<T> out({count, n}, std::numeric_limits<T>::quiet_NaN());
        tables.training->decode(count, n, images.data(), scale.data(), shift.data(), out.data());
        CHECK(std::equal(want.begin(), want.end(), out.span().begin()));
      }
    }
  }
}

TEMPLATE_TEST_CASE("loops: descending", "", float, double) {
  using T = TestType;
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    const auto* training = tables.training;
    for (const Index n : sizes) {
      CAPTURE(loops->instruction_set, n);
      const Tensor<T> g = random<T>({n}, -3, 3, 13);
      const Tensor<T> w0 = random<T>({n}, -3, 3, 14);
      const Tensor<T> v0 = random<T>({n}, -3, 3, 15);
      Numbers descended, velocity, pushed, nesterov;
      for (Index i = 0; i < n; ++i) {
        const double clipped = std::min(std::max(0.5 * g[i], -1.0), 1.0);
        const double direction = clipped + 0.25 * w0[i];
        descended.push_back(w0[i] - 0.125 * direction);
        velocity.push_back(0.5 * v0[i] + direction);
        pushed.push_back(w0[i] - 0.125 * velocity.back());
        nesterov.push_back(w0[i] - 0.125 * (direction + 0.5 * velocity.back()));
      }
      const double tolerance = 16 * std::numeric_limits<T>::epsilon();
      UpdateRule<T> rule{T(0.125), T(0.25), T(0.5), T(0.5), T(1), false};
      Tensor<T> w = w0;
      training->descend(n, rule, g.data(), w.data());
      CHECK(error<T>(w, descended, 0) <= tolerance);
      for (const bool is_nesterov : {false, true}) {
        rule.nesterov = is_nesterov;
        Tensor<T> v = v0;
        w = w0;
        training->descend_with_momentum(n, rule, g.data(), v.data(), w.data());
        CHECK(error<T>(v, velocity, 0) <= tolerance);
        CHECK(error<T>(w, is_nesterov ? nesterov : pushed, 0) <= tolerance);
      }
    }
  }
}
