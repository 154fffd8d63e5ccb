// The loops of losses and normalization: by their definitions, and the same from every instruction
// set.
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/loops.h"
#include "tensor/tensor.h"
#include "tests/catch.h"
#include "tests/tensor/loop_tables.h"
#include "tests/tensor/numbers.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

template <class T>
constexpr double tolerance = std::same_as<T, float> ? 2e-5 : 2e-13;

template <class T>
bool close(double got, double want) {
  return std::abs(got - want) <= tolerance<T> * std::max(1.0, std::abs(want));
}

const Channels layouts[] = {{40, 3, 1}, {1, 5, 33}, {2, 3, 20}, {1, 1, 1}, {3, 2, 1}};

// The elements of channel c, in order.
template <class T>
std::vector<double> channel(Channels of, const Tensor<T>& x, Index c) {
  std::vector<double> numbers;
  for (Index o = 0; o < of.outer; ++o) {
    for (Index i = 0; i < of.inner; ++i) {
      numbers.push_back(static_cast<double>(x[(o * of.count + c) * of.inner + i]));
    }
  }
  return numbers;
}

double mean(const std::vector<double>& numbers) {
  double sum = 0;
  for (const double x : numbers) sum += x;
  return sum / static_cast<double>(numbers.size());
}

}  // namespace

TEMPLATE_TEST_CASE("loops: moments and sums of channels", "", float, double) {
  using T = TestType;
  for (const auto& tables : every_table<T>()) {
    const Loops<T>* loops = tables.loops;
    for (const Channels of : layouts) {
      CAPTURE(loops->instruction_set, of.outer, of.count, of.inner);
      const Index n = of.outer * of.count * of.inner;
      const Tensor<T> x = random<T>({n}, -2, 3, 1);
      Tensor<T> m({of.count}), v({of.count}), sums({of.count}, 7), dots({of.count}, 7);
      loops->moments(of, x.data(), m.data(), v.data());
      loops->channel_sums(of, x.data(), sums.data(), false);
      loops->channel_dots(of, x.data(), x.data(), dots.data(), true);
      for (Index c = 0; c < of.count; ++c) {
        std::vector<double> numbers = channel(of, x, c);
        const double centre = mean(numbers);
        const auto size = static_cast<double>(numbers.size());
        CHECK(close<T>(static_cast<double>(m[c]), centre));
        CHECK(close<T>(static_cast<double>(sums[c]), 7 + size * centre));
        for (double& number : numbers) number *= number;
        CHECK(close<T>(static_cast<double>(dots[c]), size * mean(numbers)));
        numbers = channel(of, x, c);
        for (double& number : numbers) number = (number - centre) * (number - centre);
        CHECK(close<T>(static_cast<double>(v[c]), mean(numbers)));
      }
    }
  }
}

TEMPLATE_TEST_CASE("loops: normalized channels have mean 0, and the vjp projects", "", float,
                   double) {
  using T = TestType;
  for (const auto& tables : every_table<T>()) {
    const Loops<T>* loops = tables.loops;
    for (const Channels of : layouts) {
      CAPTURE(loops->instruction_set, of.outer, of.count, of.inner);
      const Index n = of.outer * of.count * of.inner;
      const Tensor<T> x = random<T>({n}, -2, 3, 1);
      const Tensor<T> dy = random<T>({n}, -2, 3, 2);
      Tensor<T> m({of.count}), v({of.count}), rstd({of.count}), work({2 * of.count});
      Tensor<T> xhat({n}), dx({n});
      loops->moments(of, x.data(), m.data(), v.data());
      loops->reciprocal_root(of.count, T(1e-5), v.data(), rstd.data(), true);
      loops->normalize(of, x.data(), m.data(), rstd.data(), xhat.data());
      loops->normalize_vjp(of, dy.data(), xhat.data(), rstd.data(), work.data(), dx.data(), true);
      Tensor<T> again(dx);
      loops->normalize_vjp(of, dy.data(), xhat.data(), rstd.data(), work.data(), again.data(),
                           false);
      for (Index i = 0; i < n; ++i) CHECK(again[i] == dx[i] + dx[i]);
      for (Index c = 0; c < of.count; ++c) {
        CHECK(std::abs(mean(channel(of, xhat, c))) <= tolerance<T>);
        const double scale = static_cast<double>(rstd[c]);
        CHECK(std::abs(mean(channel(of, dx, c))) <= tolerance<T> * scale);
      }
    }
  }
}

TEMPLATE_TEST_CASE("loops: every instruction set gives the same sums, bit for bit", "", float,
                   double) {
  using T = TestType;
  const Index rows = 37, cols = 19;
  const Tensor<T> x = random<T>({rows, cols}, -2, 3, 1);
  const Tensor<T> y = random<T>({rows, cols}, -2, 3, 2);
  std::vector<std::int32_t> labels(rows);
  for (std::size_t r = 0; r < labels.size(); ++r) labels[r] = static_cast<std::int32_t>(r % cols);
  const auto sums = [&](const Loops<T>& loops) {
    Tensor<T> all({2 + 2 * rows + rows * cols});
    all[0] = loops.squared_distance(x.size(), x.data(), y.data());
    all[1] = loops.hinge(rows, cols, x.data(), labels.data());
    loops.moments({1, rows, cols}, x.data(), &all[2], &all[2 + rows]);
    loops.hinge_vjp(rows, cols, T(0.1), x.data(), labels.data(), &all[2 + 2 * rows], true);
    return all;
  };
  const Tensor<T> want = sums(*every_table<T>().front().loops);
  for (const auto& tables : every_table<T>()) CHECK(sums(*tables.loops) == want);
  double squares = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    squares += d * d;
  }
  CHECK(close<T>(static_cast<double>(want[0]), squares));
}

TEMPLATE_TEST_CASE("loops: losses with targets", "", float, double) {
  using T = TestType;
  const Tensor<T> x = random<T>({7, 5}, -4, 4, 1);
  const Tensor<T> t = random<T>({7, 5}, 0, 1, 2);
  double binary = 0;
  double soft = 0;
  for (Index r = 0; r < 7; ++r) {
    double total = 0;
    for (Index c = 0; c < 5; ++c) total += std::exp(static_cast<double>(x(r, c)));
    for (Index c = 0; c < 5; ++c) {
      const auto logit = static_cast<double>(x(r, c));
      const auto target = static_cast<double>(t(r, c));
      const double p = 1 / (1 + std::exp(-logit));
      binary -= target * std::log(p) + (1 - target) * std::log(1 - p);
      soft -= target * (logit - std::log(total));
    }
  }
  for (const auto& tables : every_table<T>()) {
    const Loops<T>* loops = tables.loops;
    CAPTURE(loops->instruction_set);
    Tensor<T> p({7, 5});
    const T got_soft = loops->soft_cross_entropy(7, 5, x.data(), t.data(), p.data());
    const T got_binary = loops->binary_cross_entropy(35, x.data(), t.data());
    CHECK(close<T>(static_cast<double>(got_soft), soft));
    CHECK(close<T>(static_cast<double>(got_binary), binary));
    CHECK_FALSE(close<T>(static_cast<double>(got_binary) * 1.001, binary));
    for (Index r = 0; r < 7; ++r) {
      double total = 0;
      for (Index c = 0; c < 5; ++c) total += static_cast<double>(p(r, c));
      CHECK(close<T>(total, 1));
    }
  }
}

TEMPLATE_TEST_CASE("loops: all_finite sees NaN and infinity anywhere, and nothing else", "", float,
                   double) {
  using T = TestType;
  using Limits = std::numeric_limits<T>;
  for (const auto& tables : every_table<T>()) {
    const Loops<T>* loops = tables.loops;
    for (const Index n : {0, 1, 2, 15, 16, 17, 64, 67, 1000}) {
      CAPTURE(loops->instruction_set, n);
      Tensor<T> x(Shape{n}, Limits::max());
      for (Index i = 0; i < n; ++i) {
        const T finite[] = {-Limits::max(), Limits::min(), -Limits::denorm_min(), T(-0.0), T(1)};
        x[i] = finite[i % 5];
      }
      CHECK(loops->all_finite(n, x.data()));
      int missed = 0;
      for (Index i = 0; i < n; ++i) {
        const T kept = x[i];
        for (const T bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                            -Limits::quiet_NaN(), Limits::signaling_NaN()}) {
          x[i] = bad;
          missed += loops->all_finite(n, x.data());
          // What stands behind the end does not count.
          missed += i == n - 1 && !loops->all_finite(n - 1, x.data());
        }
        x[i] = kept;
      }
      CHECK(missed == 0);
    }
  }
}

// Sums of many equal numbers: added up one after the other in float, they end where a number is
// less than half a unit in the sum's last place.
TEST_CASE("loops: float sums do not drift with the number of rows") {
  constexpr Index many = Index{1} << 20, cols = 3;
  const Tensor<float> x({many, cols}, 0.1F);
  const double exact = static_cast<double>(0.1F) * many;
  constexpr double limit = 1e-5;  // of 256 roundings
  const auto near = [&](double got, double want) {
    return std::abs(got - want) <= limit * std::abs(want);
  };
  for (const auto& tables : every_table<float>()) {
    const auto* loops = tables.loops;
    CAPTURE(loops->instruction_set);
    CHECK(near(loops->sum(many * cols, x.data()), cols * exact));
    Tensor<float> sums({cols}), mean({cols}), var({cols});
    loops->column_sums(many, cols, x.data(), sums.data(), true);
    for (const float s : sums) CHECK(near(s, exact));
    loops->channel_sums({many, cols, 1}, x.data(), sums.data(), true);
    for (const float s : sums) CHECK(near(s, exact));
    loops->channel_sums({many / 4, cols, 4}, x.data(), sums.data(), true);
    for (const float s : sums) CHECK(near(s, exact));
    loops->moments({many, cols, 1}, x.data(), mean.data(), var.data());
    for (const float m : mean) CHECK(near(m, static_cast<double>(0.1F)));
    loops->var_axis({1, many, cols}, x.data(), mean.data(), var.data());
    for (const float m : mean) CHECK(near(m, static_cast<double>(0.1F)));

    const Tensor<float> logits({many, cols}, 0.0F);
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(many), 1);
    Tensor<float> p({many, cols});
    CHECK(near(loops->cross_entropy(many, cols, logits.data(), labels.data(), p.data()),
               std::log(3.0) * many));
  }
}
