#include "tensor/loops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/catch.h"
#include "tests/tensor/loop_tables.h"
#include "tests/tensor/numbers.h"

using namespace tapegrad;
using namespace tapegrad::kernels;
using namespace tapegrad::test;

namespace {

constexpr Index sizes[] = {0, 1, 15, 16, 17, 100};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double normal_cdf(double x) { return std::erfc(-x / std::sqrt(2)) / 2; }
double gelu(double x) { return x * normal_cdf(x); }
double gelu_slope(double x) {
  return normal_cdf(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979324);
}

template <class T>
struct UnaryCase {
  const char* name;
  UnaryLoop<T> Loops<T>::*loop;
  double (*f)(double);
  double low, high;
};

template <class T>
struct ScalarCase {
  const char* name;
  ScalarLoop<T> Loops<T>::*loop;
  double (*f)(double k, double x);
};

template <class T>
struct BinaryCase {
  const char* name;
  BinaryLoop<T> Loops<T>::*loop;
  double (*f)(double, double);
};

template <class T>
T quiet_nan() {
  return std::numeric_limits<T>::quiet_NaN();
}

// A row-wise softmax, directly from its definition.
Numbers softmax_of(const Numbers& x, std::size_t cols) {
  Numbers y(x.size());
  for (std::size_t start = 0; start < x.size(); start += cols) {
    double total = 0;
    for (std::size_t c = start; c < start + cols; ++c) total += std::exp(x[c]);
    for (std::size_t c = start; c < start + cols; ++c) y[c] = std::exp(x[c]) / total;
  }
  return y;
}

}  // namespace

TEMPLATE_TEST_CASE("loops: unary loops", "", float, double) {
  using T = TestType;
  const UnaryCase<T> cases[] = {
      {"copy", &Loops<T>::copy, [](double x) { return x; }, -3, 3},
      {"negate", &Loops<T>::negate, [](double x) { return -x; }, -3, 3},
      {"exp", &Loops<T>::exp, [](double x) { return std::exp(x); }, -20, 5},
      {"log", &Loops<T>::log, [](double x) { return std::log(x); }, 1e-3, 9},
      {"sqrt", &Loops<T>::sqrt, [](double x) { return std::sqrt(x); }, 0, 9},
      {"square", &Loops<T>::square, [](double x) { return x * x; }, -3, 3},
      {"tanh", &Loops<T>::tanh, [](double x) { return std::tanh(x); }, -5, 5},
      {"sigmoid", &Loops<T>::sigmoid, sigmoid, -30, 30},
      {"relu", &Loops<T>::relu, [](double x) { return x > 0 ? x : 0; }, -3, 3},
      {"abs", &Loops<T>::abs, [](double x) { return std::abs(x); }, -3, 3},
      {"sin", &Loops<T>::sin, [](double x) { return std::sin(x); }, -9, 9},
      {"cos", &Loops<T>::cos, [](double x) { return std::cos(x); }, -9, 9},
      {"softplus", &Loops<T>::softplus, [](double x) { return std::log1p(std::exp(x)); }, -30, 30},
      {"gelu", &Loops<T>::gelu, gelu, -9, 9},
      {"reciprocal", &Loops<T>::reciprocal, [](double x) { return 1 / x; }, 0.1, 3},
  };
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (const UnaryCase<T>& c : cases) {
      for (const Index n : sizes) {
        CAPTURE(loops->instruction_set, c.name, n);
        const Tensor<T> x = random<T>({n}, c.low, c.high, 1);
        Numbers want = doubles<T>(x);
        for (double& v : want) v = c.f(v);
        check_loop<T>(want, [&](T* out, bool fresh) { (loops->*c.loop)(n, x.data(), out, fresh); });
      }
    }
  }
}

TEMPLATE_TEST_CASE("loops: loops with a scalar", "", float, double) {
  using T = TestType;
  const ScalarCase<T> cases[] = {
      {"scale", &Loops<T>::scale, [](double k, double x) { return k * x; }},
      {"quotient", &Loops<T>::quotient, [](double k, double x) { return x / k; }},
      {"shift", &Loops<T>::shift, [](double k, double x) { return k + x; }},
      {"leaky_relu", &Loops<T>::leaky_relu, [](double k, double x) { return x > 0 ? x : k * x; }},
  };
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (const ScalarCase<T>& c : cases) {
      for (const Index n : sizes) {
        CAPTURE(loops->instruction_set, c.name, n);
        const Tensor<T> x = random<T>({n}, -3, 3, 2);
        Numbers want = doubles<T>(x);
        for (double& v : want) v = c.f(-1.5, v);
        check_loop<T>(
            want, [&](T* out, bool fresh) { (loops->*c.loop)(n, T(-1.5), x.data(), out, fresh); });
      }
    }
  }
}

TEMPLATE_TEST_CASE("loops: binary and ternary loops", "", float, double) {
  using T = TestType;
  const BinaryCase<T> cases[] = {
      {"add", &Loops<T>::add, [](double x, double y) { return x + y; }},
      {"subtract", &Loops<T>::subtract, [](double x, double y) { return x - y; }},
      {"multiply", &Loops<T>::multiply, [](double x, double y) { return x * y; }},
      {"divide", &Loops<T>::divide, [](double x, double y) { return x / y; }},
      {"sqrt_vjp", &Loops<T>::sqrt_vjp, [](double dy, double y) { return dy / (2 * y); }},
      {"square_vjp", &Loops<T>::square_vjp, [](double dy, double x) { return dy * 2 * x; }},
      {"tanh_vjp", &Loops<T>::tanh_vjp, [](double dy, double y) { return dy * (1 - y * y); }},
      {"sigmoid_vjp", &Loops<T>::sigmoid_vjp, [](double dy, double y) { return dy * y * (1 - y); }},
      {"maximum", &Loops<T>::maximum, [](double x, double y) { return std::max(x, y); }},
      {"minimum", &Loops<T>::minimum, [](double x, double y) { return std::min(x, y); }},
      {"abs_vjp", &Loops<T>::abs_vjp, [](double dy, double) { return dy; }},  // y > 0
      {"sin_vjp", &Loops<T>::sin_vjp, [](double dy, double x) { return dy * std::cos(x); }},
      {"cos_vjp", &Loops<T>::cos_vjp, [](double dy, double x) { return -dy * std::sin(x); }},
      {"softplus_vjp", &Loops<T>::softplus_vjp,
       [](double dy, double x) { return dy * sigmoid(x); }},
      {"gelu_vjp", &Loops<T>::gelu_vjp, [](double dy, double x) { return dy * gelu_slope(x); }},
      {"reciprocal_vjp", &Loops<T>::reciprocal_vjp,
       [](double dy, double y) { return -dy * y * y; }},
  };
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (const Index n : sizes) {
      const Tensor<T> x = random<T>({n}, -3, 3, 3);
      const Tensor<T> y = random<T>({n}, 0.1, 2, 4);
      const Tensor<T> z = random<T>({n}, 0.5, 2, 5);
      for (const BinaryCase<T>& c : cases) {
        CAPTURE(loops->instruction_set, c.name, n);
        Numbers want = doubles<T>(x);
        for (std::size_t i = 0; i < want.size(); ++i) want[i] = c.f(want[i], y.data()[i]);
        check_loop<T>(
            want, [&](T* out, bool fresh) { (loops->*c.loop)(n, x.data(), y.data(), out, fresh); });
      }
      // relu_vjp gets relu's output: exactly 0 where nothing flows back.
      Tensor<T> relu_y = random<T>({n}, -1, 1, 6);
      for (T& v : relu_y) v = std::max(v, T(0));
      Numbers passed = doubles<T>(x);
      Numbers quotient = doubles<T>(x);
      for (std::size_t i = 0; i < passed.size(); ++i) {
        if (!(relu_y.data()[i] > 0)) passed[i] = 0;
        quotient[i] = -quotient[i] * y.data()[i] / z.data()[i];
      }
      CAPTURE(loops->instruction_set, n);
      check_loop<T>(passed, [&](T* out, bool fresh) {
        loops->relu_vjp(n, x.data(), relu_y.data(), out, fresh);
      });
      check_loop<T>(quotient, [&](T* out, bool fresh) {
        loops->divide_vjp(n, x.data(), y.data(), z.data(), out, fresh);
      });
    }
  }
}

TEMPLATE_TEST_CASE("loops: powers and ranges", "", float, double) {
  using T = TestType;
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (const Index n : sizes) {
      CAPTURE(loops->instruction_set, n);
      const Tensor<T> dy = random<T>({n}, -3, 3, 12);
      const Tensor<T> a = random<T>({n}, 0.5, 2, 13);
      const Tensor<T> b = random<T>({n}, -2, 2, 14);
      const Tensor<T> y = random<T>({n}, 0.5, 2, 15);
      const auto want = [&](auto f) {
        Numbers numbers;
        for (Index i = 0; i < n; ++i) {
          numbers.push_back(f(double{dy[i]}, double{a[i]}, double{b[i]}, double{y[i]}));
        }
        return numbers;
      };
      const T* const da = dy.data();
      check_loop<T>(want([](double, double p, double q, double) { return std::pow(p, q); }),
                    [&](T* out, bool fresh) { loops->pow(n, a.data(), b.data(), out, fresh); });
      check_loop<T>(
          want([](double d, double p, double q, double) { return d * q * std::pow(p, q - 1); }),
          [&](T* out, bool fresh) { loops->pow_base_vjp(n, da, a.data(), b.data(), out, fresh); });
      check_loop<T>(want([](double d, double p, double, double v) { return d * v * std::log(p); }),
                    [&](T* out, bool fresh) {
                      loops->pow_exponent_vjp(n, da, y.data(), a.data(), out, fresh);
                    });
      check_loop<T>(
          want([](double, double p, double, double) { return std::pow(p, 1.5); }),
          [&](T* out, bool fresh) { loops->pow_constant(n, T(1.5), a.data(), out, fresh); });
      check_loop<T>(want([](double d, double p, double, double) { return 1.5 * d * std::sqrt(p); }),
                    [&](T* out, bool fresh) {
                      loops->pow_constant_vjp(n, T(1.5), da, a.data(), out, fresh);
                    });
      check_loop<T>(
          want([](double d, double p, double q, double) { return p > q ? d : 0; }),
          [&](T* out, bool fresh) { loops->maximum_vjp(n, da, a.data(), b.data(), out, fresh); });
      check_loop<T>(
          want([](double d, double, double q, double) { return q > 0 ? d : d / 4; }),
          [&](T* out, bool fresh) { loops->leaky_relu_vjp(n, T(0.25), da, b.data(), out, fresh); });
      check_loop<T>(
          want([](double, double, double q, double) { return std::min(std::max(q, -1.0), 0.5); }),
          [&](T* out, bool fresh) { loops->clamp(n, T(-1), T(0.5), b.data(), out, fresh); });
      check_loop<T>(
          want([](double d, double, double q, double) { return q < -1 || q > 0.5 ? 0 : d; }),
          [&](T* out, bool fresh) {
            loops->clamp_vjp(n, T(-1), T(0.5), da, b.data(), out, fresh);
          });
    }
  }
}

TEMPLATE_TEST_CASE("loops: along an axis, every instruction set gives what the first gives", "",
                   float, double) {
  using T = TestType;
  for (const AxisSplit s : {AxisSplit{1, 100, 1}, {3, 17, 1}, {2, 5, 16}, {3, 4, 7}, {2, 0, 3}}) {
    const Index outputs = s.outer * s.inner;
    const Tensor<T> x = random<T>({outputs * s.n}, -3, 3, 16);
    const Tensor<T> dy = random<T>({outputs}, -1, 1, 17);
    const auto run = [&](const Loops<T>& loops) {
      Tensor<T> y({3, outputs}, quiet_nan<T>());
      Tensor<T> kept({3, outputs}, quiet_nan<T>());
      Tensor<T> dx({3, outputs * s.n}, quiet_nan<T>());
      std::vector<Index> at(static_cast<std::size_t>(outputs));
      const auto row = [](Tensor<T>& of, Index i) { return of.data() + i * of.shape()[1]; };
      loops.max_axis(s, x.data(), row(y, 0), at.data());
      loops.max_axis_vjp(s, dy.data(), at.data(), row(dx, 0), true);
      loops.var_axis(s, x.data(), row(kept, 0), row(y, 1));
      loops.var_axis_vjp(s, dy.data(), x.data(), row(kept, 0), row(dx, 1), true);
      loops.logsumexp_axis(s, x.data(), row(kept, 1), row(kept, 2), row(y, 2));
      loops.logsumexp_axis_vjp(s, dy.data(), x.data(), row(kept, 1), row(kept, 2), row(dx, 2),
                               true);
      Numbers all = doubles<T>(y);
      all.insert(all.end(), dx.begin(), dx.end());
      return all;
    };
    const Numbers want = run(baseline::loops<T>());
    for (const auto& tables : every_table<T>()) {
      const auto* loops = tables.loops;
      [[maybe_unused]] const auto* training = tables.training;
      CAPTURE(loops->instruction_set, s.n, s.inner);
      const Numbers got = run(*loops);
      for (std::size_t i = 0; i < want.size(); ++i) {
        const bool same = got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]));
        const double difference = std::abs(got[i] - want[i]);
        CHECK((same || difference <= 50 * std::numeric_limits<T>::epsilon()));
      }
    }
  }
}

TEMPLATE_TEST_CASE("loops: sums have the same bits in every instruction set", "", float, double) {
  using T = TestType;
  for (const Index n : sizes) {
    const Tensor<T> x = random<T>({n}, -3, 3, 7);
    double total = 0;
    double squares = 0;
    for (const T v : x) {
      total += v;
      squares += static_cast<double>(v) * v;
    }
    for (const auto& tables : every_table<T>()) {
      const auto* loops = tables.loops;
      [[maybe_unused]] const auto* training = tables.training;
      CAPTURE(loops->instruction_set, n);
      const double tolerance = 100 * std::numeric_limits<T>::epsilon();
      CHECK(std::abs(loops->sum(n, x.data()) - total) <= tolerance);
      CHECK(std::abs(training->sum_squares(n, x.data()) - squares) <= 1e-13 * (1 + squares));
      CHECK(loops->sum(n, x.data()) == baseline::loops<T>().sum(n, x.data()));
      CHECK(training->sum_squares(n, x.data()) ==
            baseline::training_loops<T>().sum_squares(n, x.data()));
    }
  }
}

TEMPLATE_TEST_CASE("loops: loops over rows", "", float, double) {
  using T = TestType;
  const Index rows = 3;
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (const Index cols : sizes) {
      CAPTURE(loops->instruction_set, cols);
      const Tensor<T> x = random<T>({rows, cols}, -3, 3, 8);
      const Tensor<T> dy = random<T>({rows, cols}, -1, 1, 9);
      Numbers row_sums(static_cast<std::size_t>(rows));
      Numbers column_sums(static_cast<std::size_t>(cols));
      Numbers repeated(static_cast<std::size_t>(rows * cols));
      const Tensor<T> column = random<T>({rows}, -3, 3, 10);
      for (Index r = 0; r < rows; ++r) {
        for (Index c = 0; c < cols; ++c) {
          row_sums[static_cast<std::size_t>(r)] += x(r, c);
          column_sums[static_cast<std::size_t>(c)] += x(r, c);
          repeated[static_cast<std::size_t>(r * cols + c)] = column[r];
        }
      }
      const T* data = x.data();
      check_loop<T>(
          row_sums, [&](T* out, bool fresh) { loops->row_sums(rows, cols, data, out, fresh); },
          200);
      check_loop<T>(column_sums,
                    [&](T* out, bool fresh) { loops->column_sums(rows, cols, data, out, fresh); });
      check_loop<T>(repeated, [&](T* out, bool fresh) {
        loops->repeat_columns(rows, cols, column.data(), out, fresh);
      });

      const Numbers p = softmax_of(doubles<T>(x), static_cast<std::size_t>(cols));
      Numbers log_p(p), softmax_dx(p), log_softmax_dx(p);
      for (Index r = 0; r < rows; ++r) {
        const auto at = [&](Index c) { return static_cast<std::size_t>(r * cols + c); };
        double dot = 0;
        double total = 0;
        for (Index c = 0; c < cols; ++c) {
          dot += dy(r, c) * p[at(c)];
          total += dy(r, c);
        }
        for (Index c = 0; c < cols; ++c) {
          log_p[at(c)] = std::log(p[at(c)]);
          softmax_dx[at(c)] = p[at(c)] * (dy(r, c) - dot);
          log_softmax_dx[at(c)] = dy(r, c) - p[at(c)] * total;
        }
      }
      Tensor<T> y({rows, cols}, quiet_nan<T>());
      Tensor<T> log_y({rows, cols}, quiet_nan<T>());
      loops->softmax(rows, cols, data, y.data(), true);
      loops->log_softmax(rows, cols, data, log_y.data(), true);
      const double tolerance = 50 * std::numeric_limits<T>::epsilon();
      CHECK(error<T>(y, p, 0) <= tolerance);
      CHECK(error<T>(log_y, log_p, 0) <= tolerance);
      check_loop<T>(
          softmax_dx,
          [&](T* out, bool fresh) {
            loops->softmax_vjp(rows, cols, dy.data(), y.data(), out, fresh);
          },
          50);
      check_loop<T>(
          log_softmax_dx,
          [&](T* out, bool fresh) {
            loops->log_softmax_vjp(rows, cols, dy.data(), log_y.data(), out, fresh);
          },
          100);
    }
  }
}

TEMPLATE_TEST_CASE("loops: cross-entropy and its derivative", "", float, double) {
  using T = TestType;
  const Index rows = 4;
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (const Index cols : {1, 10, 17}) {
      CAPTURE(loops->instruction_set, cols);
      const Tensor<T> x = random<T>({rows, cols}, -3, 3, 11);
      const std::int32_t last = static_cast<std::int32_t>(cols - 1);
      const std::int32_t labels[] = {0, last, last / 2, 0};
      const Numbers p = softmax_of(doubles<T>(x), static_cast<std::size_t>(cols));
      double loss = 0;
      Numbers dx(p);
      for (double& v : dx) v *= 0.25;
      for (std::size_t r = 0; r < 4; ++r) {
        const std::size_t at =
            r * static_cast<std::size_t>(cols) + static_cast<std::size_t>(labels[r]);
        loss -= std::log(p[at]);
        dx[at] -= 0.25;
      }
      Tensor<T> got_p({rows, cols}, quiet_nan<T>());
      const T got = loops->cross_entropy(rows, cols, x.data(), labels, got_p.data());
      const double tolerance = 50 * std::numeric_limits<T>::epsilon();
      CHECK(std::abs(got - loss) <= tolerance * (1 + loss));
      CHECK(error<T>(got_p, p, 0) <= tolerance);
      check_loop<T>(dx, [&](T* out, bool fresh) {
        loops->cross_entropy_vjp(rows, cols, T(0.25), got_p.data(), labels, out, fresh);
      });
    }
  }
}

TEST_CASE("loops: softmax and cross-entropy of huge logits are finite") {
  for (const auto& tables : every_table<float>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    CAPTURE(loops->instruction_set);
    const float x[] = {1000, 0, -1000};
    float p[3];
    loops->softmax(1, 3, x, p, true);
    CHECK(p[0] == 1);
    CHECK(p[2] == 0);
    const std::int32_t label = 2;
    CHECK(loops->cross_entropy(1, 3, x, &label, p) == 2000);
  }
}

TEMPLATE_TEST_CASE("loops: NaN is not lost", "", float, double) {
  using T = TestType;
  const Index cols = 17;
  for (const auto& tables : every_table<T>()) {
    const auto* loops = tables.loops;
    [[maybe_unused]] const auto* training = tables.training;
    for (Index at = 0; at < cols; ++at) {
      CAPTURE(loops->instruction_set, at);
      Tensor<T> x = random<T>({2, cols}, -3, 3, 12);
      x(1, at) = quiet_nan<T>();
      Tensor<T> y({2, cols});
      loops->relu(2 * cols, x.data(), y.data(), true);
      CHECK(std::isnan(y(1, at)));
      for (const auto loop : {loops->softmax, loops->log_softmax}) {
        loop(2, cols, x.data(), y.data(), true);
        Index count = 0;
        for (Index c = 0; c < cols; ++c) {
          count += std::isnan(y(1, c));
          CHECK(std::isfinite(y(0, c)));
        }
        CHECK(count == cols);  // through the row's maximum and its sum
      }
      const std::int32_t labels[] = {0, 0};
      CHECK(std::isnan(loops->cross_entropy(2, cols, x.data(), labels, y.data())));
      CHECK(std::isnan(loops->sum(2 * cols, x.data())));
    }
  }
}
