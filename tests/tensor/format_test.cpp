#include "tensor/format.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/catch.h"

using namespace tapegrad;

// The expected texts are what NumPy 1.24's str() gives.

namespace {

template <class T>
constexpr T quiet_nan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <class T>
std::string text(const Shape& shape, std::initializer_list<T> values) {
  return fmt::format("{}", Tensor<T>(shape, values));
}

// 0, 1, 2, ...
template <class T>
Tensor<T> counting(const Shape& shape) {
  Tensor<T> x(shape);
  std::iota(x.begin(), x.end(), T(0));
  return x;
}

std::string quarters(const Shape& shape) {
  Tensor<double> x = counting<double>(shape);
  for (double& v : x) v /= 4;
  return fmt::format("{}", x);
}

}  // namespace

TEST_CASE("format: one number") {
  CHECK(text<double>({}, {0.1}) == "0.1");
  CHECK(text<float>({}, {0.1F}) == "0.1");
  CHECK(text<double>({}, {1.0}) == "1.0");
  CHECK(text<float>({}, {123456790.0F}) == "123456790.0");
  CHECK(text<double>({}, {1e-05}) == "1e-05");
  CHECK(text<double>({}, {-infinity<double>}) == "-inf");
  CHECK(text<double>({}, {1e+16}) == "1e+16");
  CHECK(text<float>({}, {1e-04F}) == "1e-04");
  CHECK(text<double>({}, {-0.0}) == "-0.0");
}

TEST_CASE("format: positional columns") {
  CHECK(text<double>({3}, {1.0, 2.0, 3.0}) == "[1. 2. 3.]");
  CHECK(text<double>({3}, {0.1, -0.25, 10.0}) == "[ 0.1  -0.25 10.  ]");
  CHECK(text<float>({2}, {0.1F, 0.33333334F}) == "[0.1        0.33333334]");
  CHECK(text<double>({2}, {0.1, 0.3333333333333333}) == "[0.1        0.33333333]");
  CHECK(text<double>({2}, {1000.0, 1.5}) == "[1000.     1.5]");
  CHECK(text<double>({2}, {-0.0, 0.0}) == "[-0.  0.]");
  CHECK(text<float>({1}, {99999990.0F}) == "[99999992.]");
}

TEST_CASE("format: columns with exponents") {
  CHECK(text<double>({2}, {100000000.0, 1.0}) == "[1.e+08 1.e+00]");
  CHECK(text<float>({2}, {1e-05F, 0.1F}) == "[1.e-05 1.e-01]");
  CHECK(text<float>({2}, {1.2345679e-05F, 0.1F}) == "[1.2345679e-05 1.0000000e-01]");
  CHECK(text<double>({3}, {1000.5, 1.0, -3.0}) == "[ 1.0005e+03  1.0000e+00 -3.0000e+00]");
  CHECK(text<double>({2}, {1e+300, 1e-300}) == "[1.e+300 1.e-300]");
  CHECK(text<double>({2}, {999999.99999, 0.001}) == "[1.e+06 1.e-03]");
}

TEST_CASE("format: nan and infinity") {
  CHECK(text<double>({2}, {quiet_nan<double>, 1.5}) == "[nan 1.5]");
  CHECK(text<float>({3}, {-infinity<float>, 1.0F, quiet_nan<float>}) == "[-inf   1.  nan]");
  CHECK(text<double>({1}, {infinity<double>}) == "[inf]");
  CHECK(text<double>({3}, {1e-09, quiet_nan<double>, -infinity<double>}) ==
        "[1.e-09    nan   -inf]");
}

TEST_CASE("format: nested brackets") {
  CHECK(text<double>({2, 2}, {1.0, 2.0, 3.0, -4.0}) ==
        "[[ 1.  2.]\n"
        " [ 3. -4.]]");
  CHECK(text<float>({2, 2, 2}, {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F, 8.5F}) ==
        "[[[1.  2. ]\n"
        "  [3.  4. ]]\n"
        "\n"
        " [[5.  6. ]\n"
        "  [7.  8.5]]]");
  CHECK(text<double>({1, 2, 1, 2}, {0.0, 1.0, 2.0, 3.0}) ==
        "[[[[0. 1.]]\n"
        "\n"
        "  [[2. 3.]]]]");
}

TEST_CASE("format: long lines") {
  CHECK(text<double>({30}, {0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5,
                            2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0,
                            5.25, 5.5, 5.75, 6.0, 6.25, 6.5, 6.75, 7.0, 7.25, 7.5}) ==
        "[0.25 0.5  0.75 1.   1.25 1.5  1.75 2.   2.25 2.5  2.75 3.   3.25 3.5\n"
        " 3.75 4.   4.25 4.5  4.75 5.   5.25 5.5  5.75 6.   6.25 6.5  6.75 7.\n"
        " 7.25 7.5 ]");
}

TEST_CASE("format: beyond 1000 numbers only the edges are shown") {
  CHECK(quarters({1000}).find("...") == std::string::npos);
  CHECK(quarters({1001}) == "[  0.     0.25   0.5  ... 249.5  249.75 250.  ]");
  CHECK(quarters({40, 30}) ==
        "[[0.0000e+00 2.5000e-01 5.0000e-01 ... 6.7500e+00 7.0000e+00 7.2500e+00]\n"
        " [7.5000e+00 7.7500e+00 8.0000e+00 ... 1.4250e+01 1.4500e+01 1.4750e+01]\n"
        " [1.5000e+01 1.5250e+01 1.5500e+01 ... 2.1750e+01 2.2000e+01 2.2250e+01]\n"
        " ...\n"
        " [2.7750e+02 2.7775e+02 2.7800e+02 ... 2.8425e+02 2.8450e+02 2.8475e+02]\n"
        " [2.8500e+02 2.8525e+02 2.8550e+02 ... 2.9175e+02 2.9200e+02 2.9225e+02]\n"
        " [2.9250e+02 2.9275e+02 2.9300e+02 ... 2.9925e+02 2.9950e+02 2.9975e+02]]");
  CHECK(quarters({11, 2, 50}) ==
        "[[[0.0000e+00 2.5000e-01 5.0000e-01 ... 1.1750e+01 1.2000e+01 1.2250e+01]\n"
        "  [1.2500e+01 1.2750e+01 1.3000e+01 ... 2.4250e+01 2.4500e+01 2.4750e+01]]\n"
        "\n"
        " [[2.5000e+01 2.5250e+01 2.5500e+01 ... 3.6750e+01 3.7000e+01 3.7250e+01]\n"
        "  [3.7500e+01 3.7750e+01 3.8000e+01 ... 4.9250e+01 4.9500e+01 4.9750e+01]]\n"
        "\n"
        " [[5.0000e+01 5.0250e+01 5.0500e+01 ... 6.1750e+01 6.2000e+01 6.2250e+01]\n"
        "  [6.2500e+01 6.2750e+01 6.3000e+01 ... 7.4250e+01 7.4500e+01 7.4750e+01]]\n"
        "\n"
        " ...\n"
        "\n"
        " [[2.0000e+02 2.0025e+02 2.0050e+02 ... 2.1175e+02 2.1200e+02 2.1225e+02]\n"
        "  [2.1250e+02 2.1275e+02 2.1300e+02 ... 2.2425e+02 2.2450e+02 2.2475e+02]]\n"
        "\n"
        " [[2.2500e+02 2.2525e+02 2.2550e+02 ... 2.3675e+02 2.3700e+02 2.3725e+02]\n"
        "  [2.3750e+02 2.3775e+02 2.3800e+02 ... 2.4925e+02 2.4950e+02 2.4975e+02]]\n"
        "\n"
        " [[2.5000e+02 2.5025e+02 2.5050e+02 ... 2.6175e+02 2.6200e+02 2.6225e+02]\n"
        "  [2.6250e+02 2.6275e+02 2.6300e+02 ... 2.7425e+02 2.7450e+02 2.7475e+02]]]");
  CHECK(quarters({5, 5, 5, 5, 5}).find("...") == std::string::npos);  // no axis is long
}

TEST_CASE("format: without numbers") {
  CHECK(fmt::format("{}", Tensor<float>()) == "[]");
  CHECK(fmt::format("{}", Tensor<double>({3, 0, 2})) == "[]");
}

TEST_CASE("format: integers line up at the right") {
  const std::int32_t labels[] = {-3, 20, 100, 0};
  CHECK(fmt::format("{}", View<const std::int32_t>(labels, {2, 2})) ==
        "[[ -3  20]\n"
        " [100   0]]");
  CHECK(fmt::format("{}", View<const std::int32_t>(labels, {})) == "-3");
}

TEST_CASE("format: shapes, views and widths") {
  Tensor<float> x({2}, {1, 2});
  const Tensor<float>& constant = x;
  CHECK(fmt::format("{}", x.view()) == "[1. 2.]");
  CHECK(fmt::format("{}", constant.view()) == "[1. 2.]");
  CHECK(fmt::format("{} {}", x.shape(), Shape{}) == "[2] []");
  CHECK(fmt::format("{:>9}|{:<9}|", x, x.shape()) == "  [1. 2.]|[2]      |");
  CHECK(to_string(x) == "[1. 2.]");
}

TEST_CASE("format: the smallest number that is written out") {
  CHECK(text<double>({}, {1e-4}) == "0.0001");
}

TEST_CASE("format: the first number that is not written out") {
  CHECK(text<double>({1}, {1e8}) == "[1.e+08]");
}

TEST_CASE("format: the smallest number of an array that is written out") {
  CHECK(text<double>({2}, {1e-4, 0.01}) == "[0.0001 0.01  ]");
}

TEST_CASE("format: nothing is left out where all rows are shown") {
  const std::string shown = fmt::format("{}", Tensor<double>({6, 200}));
  CHECK(std::ranges::count(shown, '\n') == 5);
}

TEST_CASE("format: exponents of three digits") {
  CHECK(text<double>({2}, {1e100, 1.0}) == "[1.e+100 1.e+000]");
}
