#include "tensor/kernels.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::kernels;

namespace {

constexpr Index sizes[] = {0, 1, 15, 16, 17, 100};

// The loops of every instruction set that this processor has.
template <class T>
std::vector<const Loops<T>*> every_table() {
  std::vector<const Loops<T>*> tables = {&baseline::loops<T>()};
#ifdef TAPEGRAD_MULTIVERSION
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    tables.push_back(&v3::loops<T>());
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd")) {
    tables.push_back(&v4::loops<T>());
  }
#endif
  return tables;
}

using Numbers = std::vector<double>;

// n numbers that T can hold, uniform on [low, high).
template <class T>
Tensor<T> random(const Shape& shape, double low, double high, std::uint64_t seed) {
  return Rng(seed).uniform<T>(shape, low, high);
}

template <class T>
Numbers doubles(View<const T> x) {
  return {x.begin(), x.end()};
}

// The largest |got - (want, or start + want when adding)| / (1 + |want|); NaN when either is.
template <class T>
double error(View<const T> got, const Numbers& want, double start) {
  REQUIRE(got.size() == static_cast<Index>(want.size()));
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double e = std::abs(got.data()[i] - (start + want[i])) / (1 + std::abs(want[i]));
    if (!(e <= worst)) worst = e;
  }
  return worst;
}

// Runs `loop` into a fresh and into a used target and compares with `want`.
template <class T>
void check_loop(const Numbers& want, const std::function<void(T* out, bool fresh)>& loop,
                double ulps = 16) {
  const double tolerance = ulps * std::numeric_limits<T>::epsilon();
  const Shape shape{static_cast<Index>(want.size())};
  Tensor<T> fresh(shape, std::numeric_limits<T>::quiet_NaN());
  loop(fresh.data(), true);
  CHECK(error<T>(fresh, want, 0) <= tolerance);
  Tensor<T> used(shape, 2);
  loop(used.data(), false);
  CHECK(error<T>(used, want, 2) <= tolerance);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

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

// op(x)[i, j]
template <class T>
double element(Op op, View<const T> x, Index i, Index j) {
  return op == Op::none ? x(i, j) : x(j, i);
}

}  // namespace

TEMPLATE_TEST_CASE("kernels: unary loops", "", float, double) {
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
  };
  for (const Loops<T>* loops : every_table<T>()) {
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

TEMPLATE_TEST_CASE("kernels: loops with a scalar", "", float, double) {
  using T = TestType;
  const ScalarCase<T> cases[] = {
      {"scale", &Loops<T>::scale, [](double k, double x) { return k * x; }},
      {"shift", &Loops<T>::shift, [](double k, double x) { return k + x; }},
  };
  for (const Loops<T>* loops : every_table<T>()) {
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

TEMPLATE_TEST_CASE("kernels: binary and ternary loops", "", float, double) {
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
  };
  for (const Loops<T>* loops : every_table<T>()) {
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

TEMPLATE_TEST_CASE("kernels: sums have the same bits in every instruction set", "", float, double) {
  using T = TestType;
  for (const Index n : sizes) {
    const Tensor<T> x = random<T>({n}, -3, 3, 7);
    double total = 0;
    double squares = 0;
    for (const T v : x) {
      total += v;
      squares += static_cast<double>(v) * v;
    }
    for (const Loops<T>* loops : every_table<T>()) {
      CAPTURE(loops->instruction_set, n);
      const double tolerance = 100 * std::numeric_limits<T>::epsilon();
      CHECK(std::abs(loops->sum(n, x.data()) - total) <= tolerance);
      CHECK(std::abs(loops->sum_squares(n, x.data()) - squares) <= 1e-13 * (1 + squares));
      CHECK(loops->sum(n, x.data()) == baseline::loops<T>().sum(n, x.data()));
      CHECK(loops->sum_squares(n, x.data()) == baseline::loops<T>().sum_squares(n, x.data()));
    }
  }
}

TEMPLATE_TEST_CASE("kernels: loops over rows", "", float, double) {
  using T = TestType;
  const Index rows = 3;
  for (const Loops<T>* loops : every_table<T>()) {
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

TEMPLATE_TEST_CASE("kernels: cross-entropy and its derivative", "", float, double) {
  using T = TestType;
  const Index rows = 4;
  for (const Loops<T>* loops : every_table<T>()) {
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

TEST_CASE("kernels: softmax and cross-entropy of huge logits are finite") {
  for (const Loops<float>* loops : every_table<float>()) {
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

TEMPLATE_TEST_CASE("kernels: NaN is not lost", "", float, double) {
  using T = TestType;
  const Index cols = 17;
  for (const Loops<T>* loops : every_table<T>()) {
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

TEMPLATE_TEST_CASE("kernels: decoding and descending", "", float, double) {
  using T = TestType;
  for (const Loops<T>* loops : every_table<T>()) {
    for (const Index n : sizes) {
      CAPTURE(loops->instruction_set, n);
      const Tensor<T> g = random<T>({n}, -3, 3, 13);
      const Tensor<T> w0 = random<T>({n}, -3, 3, 14);
      const Tensor<T> v0 = random<T>({n}, -3, 3, 15);
      std::vector<std::uint8_t> bytes(static_cast<std::size_t>(n));
      Numbers decoded, descended, velocity, pushed, nesterov;
      for (Index i = 0; i < n; ++i) {
        bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(17 * i);
        decoded.push_back(bytes[static_cast<std::size_t>(i)] * g[i] + w0[i]);
        const double clipped = std::min(std::max(0.5 * g[i], -1.0), 1.0);
        const double direction = clipped + 0.25 * w0[i];
        descended.push_back(w0[i] - 0.125 * direction);
        velocity.push_back(0.5 * v0[i] + direction);
        pushed.push_back(w0[i] - 0.125 * velocity.back());
        nesterov.push_back(w0[i] - 0.125 * (direction + 0.5 * velocity.back()));
      }
      const double tolerance = 16 * std::numeric_limits<T>::epsilon();
      Tensor<T> out({n}, quiet_nan<T>());
      loops->decode(n, bytes.data(), g.data(), w0.data(), out.data());
      CHECK(error<T>(out, decoded, 0) <= tolerance);
      UpdateRule<T> rule{T(0.125), T(0.25), T(0.5), T(0.5), T(1), false};
      Tensor<T> w = w0;
      loops->descend(n, rule, g.data(), w.data());
      CHECK(error<T>(w, descended, 0) <= tolerance);
      for (const bool is_nesterov : {false, true}) {
        rule.nesterov = is_nesterov;
        Tensor<T> v = v0;
        w = w0;
        loops->descend_with_momentum(n, rule, g.data(), v.data(), w.data());
        CHECK(error<T>(v, velocity, 0) <= tolerance);
        CHECK(error<T>(w, is_nesterov ? nesterov : pushed, 0) <= tolerance);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: gemm of all flags and sizes", "", float, double) {
  using T = TestType;
  struct Size {
    Index m, n, k;
  };
  for (const Size& size :
       {Size{1, 1, 1}, {2, 3, 4}, {17, 5, 33}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {0, 0, 0}}) {
    const Index m = size.m;
    const Index n = size.n;
    const Index k = size.k;
    for (const Op op_a : {Op::none, Op::transpose}) {
      for (const Op op_b : {Op::none, Op::transpose}) {
        CAPTURE(m, n, k, op_a == Op::transpose, op_b == Op::transpose);
        const Tensor<T> a = random<T>(op_a == Op::none ? Shape{m, k} : Shape{k, m}, -1, 1, 16);
        const Tensor<T> b = random<T>(op_b == Op::none ? Shape{k, n} : Shape{n, k}, -1, 1, 17);
        Numbers want;
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            double total = 0;
            for (Index l = 0; l < k; ++l) {
              total += element<T>(op_a, a, i, l) * element<T>(op_b, b, l, j);
            }
            want.push_back(total);
          }
        }
        check_loop<T>(
            want,
            [&](T* out, bool fresh) {
              gemm<T>(op_a, op_b, a, b, {View<T>(out, {m, n}), fresh});
            },
            50);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: linear is x w^T + b", "", float, double) {
  using T = TestType;
  const Tensor<T> x({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor<T> w({2, 3}, {1, 0, -1, 2, 1, 0});
  const Tensor<T> b({2}, {10, 20});
  check_loop<T>({8, 24, 8, 33}, [&](T* out, bool fresh) {
    linear<T>(x, w, b, {View<T>(out, {2, 2}), fresh});
  });
}

TEMPLATE_TEST_CASE("kernels: fill", "", float, double) {
  using T = TestType;
  check_loop<T>({5, 5, 5}, [&](T* out, bool fresh) { fill<T>(5, {View<T>(out, {3}), fresh}); });
}

TEMPLATE_TEST_CASE("kernels: broadcast and its reverse", "", float, double) {
  using T = TestType;
  struct Case {
    Shape small, large;
  };
  const Case cases[] = {{{}, {}},
                        {{}, {2, 3}},
                        {{3}, {2, 3}},
                        {{2, 1}, {2, 3}},
                        {{1, 3}, {2, 3}},
                        {{2, 3}, {2, 3}},
                        {{1}, {0}},
                        {{0, 1}, {0, 3}},
                        {{3, 1}, {5, 3, 4}},
                        {{5, 1, 4}, {5, 3, 4}},
                        {{2, 1, 3, 1, 2, 1}, {2, 2, 3, 2, 2, 3}},
                        {{1, 17}, {4, 17}},
                        {{1, 0}, {4, 0}},
                        {{3}, {0, 3}}};
  for (const Case& c : cases) {
    CAPTURE(to_string(c.small), to_string(c.large));
    const Tensor<T> small = random<T>(c.small, -3, 3, 18);
    const Tensor<T> large = random<T>(c.large, -3, 3, 19);
    Numbers repeated;
    Numbers sums(static_cast<std::size_t>(c.small.size()));
    for (Index flat = 0; flat < c.large.size(); ++flat) {
      // The index of `small` that this one of `large` repeats, digit by digit from the last axis.
      Index rest = flat;
      Index at = 0;
      Index step = 1;
      for (int i = 1; i <= c.large.rank(); ++i) {
        const Index n = c.large[c.large.rank() - i];
        if (i <= c.small.rank()) {
          const Index own = c.small[c.small.rank() - i];
          at += rest % n % own * step;
          step *= own;
        }
        rest /= n;
      }
      repeated.push_back(small[at]);
      sums[static_cast<std::size_t>(at)] += large[flat];
    }
    check_loop<T>(repeated, [&](T* out, bool fresh) {
      broadcast<T>(small, {View<T>(out, c.large), fresh});
    });
    check_loop<T>(
        sums,
        [&](T* out, bool fresh) {
          reduce_to<T>(large, {View<T>(out, c.small), fresh});
        },
        200);
  }
}

TEMPLATE_TEST_CASE("kernels: transpose", "", float, double) {
  using T = TestType;
  for (const Shape& shape : {Shape{1, 1}, {2, 3}, {16, 16}, {17, 33}, {0, 3}, {3, 0}}) {
    CAPTURE(to_string(shape));
    const Tensor<T> x = random<T>(shape, -3, 3, 20);
    Numbers want;
    for (Index j = 0; j < shape[1]; ++j) {
      for (Index i = 0; i < shape[0]; ++i) want.push_back(x(i, j));
    }
    check_loop<T>(want, [&](T* out, bool fresh) {
      transpose<T>(x, {View<T>(out, {shape[1], shape[0]}), fresh});
    });
  }
}

TEMPLATE_TEST_CASE("kernels: sums over an axis and their reverse", "", float, double) {
  using T = TestType;
  for (const Shape& shape :
       {Shape{5}, {2, 3}, {4, 17, 3}, {2, 3, 4, 5}, {0, 3}, {3, 0}, {2, 0, 3}}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      CAPTURE(to_string(shape), axis);
      const Shape reduced = shape.without(axis);
      const Tensor<T> x = random<T>(shape, -3, 3, 21);
      const Tensor<T> dy = random<T>(reduced, -3, 3, 22);
      Index inner = 1;
      for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
      Numbers sums(static_cast<std::size_t>(reduced.size()));
      Numbers repeated;
      for (Index flat = 0; flat < shape.size(); ++flat) {
        const Index at = flat / (inner * shape[axis]) * inner + flat % inner;
        sums[static_cast<std::size_t>(at)] += x[flat];
        repeated.push_back(dy[at]);
      }
      check_loop<T>(
          sums,
          [&](T* out, bool fresh) {
            sum_axis<T>(x, axis, {View<T>(out, reduced), fresh});
          },
          200);
      check_loop<T>(repeated, [&](T* out, bool fresh) {
        repeat_axis<T>(dy, axis, {View<T>(out, shape), fresh});
      });
    }
  }
}

TEST_CASE("kernels: leading axes count as rows") {
  const Tensor<float> x({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  Tensor<float> sums({2, 2});
  apply_rows<float>(loops<float>().row_sums, x, View<float>(sums));
  CHECK(sums == Tensor<float>({2, 2}, {3, 7, 11, 15}));
}
