#include "tensor/tensor.h"

#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

TEMPLATE_TEST_CASE("tensor: made of zeros, one value or given numbers", "", float, double) {
  const Tensor<TestType> zeros({2, 3});
  CHECK(zeros.size() == 6);
  CHECK(std::count(zeros.begin(), zeros.end(), TestType(0)) == 6);
  const Tensor<TestType> sevens({3}, 7);
  CHECK(sevens == Tensor<TestType>({3}, {7, 7, 7}));
  const std::vector<TestType> values = {1, 2, 3, 4};
  const Tensor<TestType> given({2, 2}, values);
  CHECK(given(1, 0) == 3);
  CHECK(given[3] == 4);
}

TEST_CASE("tensor: a wrong count of numbers is refused") {
  try {
    Tensor<float>({2, 3}, {1, 2, 3});
    FAIL("accepted");
  } catch (const ShapeError& e) {
    CHECK(std::string(e.what()) == "tensor: shape [2, 3] has 6 elements but 3 values were given");
  }
  CHECK_THROWS_AS(Tensor<float>(Shape{}, {1, 2}), ShapeError);
}

TEST_CASE("tensor: rank 0 is one number, the default is none") {
  const Tensor<float> scalar(Shape{}, 5);
  CHECK(scalar.size() == 1);
  CHECK(scalar() == 5);
  const Tensor<float> none;
  CHECK(none.shape() == Shape{0});
  CHECK(none.size() == 0);
  CHECK(none.begin() == none.end());
  CHECK(Tensor<float>(none) == none);
  CHECK(Tensor<double>({4, 0, 2}).span().empty());
}

TEST_CASE("tensor: numbers start at a multiple of 64 bytes") {
  for (Index n = 1; n < 40; ++n) {
    const Tensor<float> x({n});
    CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % 64 == 0);
  }
}

TEST_CASE("tensor: copies are independent") {
  Tensor<float> a({2}, {1, 2});
  Tensor<float> b = a;
  b[0] = 9;
  CHECK(a[0] == 1);
  a = b;
  CHECK(a == b);
  a[1] = 5;
  CHECK(b[1] == 2);
  const Tensor<float>& same = a;
  a = same;
  CHECK(a == Tensor<float>({2}, {9, 5}));
}

TEST_CASE("tensor: a moved-from tensor is empty and can be used again") {
  Tensor<float> a({2, 2}, {1, 2, 3, 4});
  const float* numbers = a.data();
  Tensor<float> b = std::move(a);
  CHECK(b.data() == numbers);
  CHECK(a.shape() == Shape{0});  // NOLINT: what it is after the move is the point
  CHECK(a.size() == 0);
  a = std::move(b);
  CHECK(a.data() == numbers);
  CHECK(a.shape() == Shape{2, 2});
  b = Tensor<float>({1}, {6});
  CHECK(b[0] == 6);
  static_assert(std::is_nothrow_move_constructible_v<Tensor<float>>);
  static_assert(std::is_nothrow_move_assignable_v<Tensor<float>>);
}

TEST_CASE("tensor: equality compares shapes and numbers") {
  const Tensor<double> a({2, 2}, {1, 2, 3, 4});
  CHECK(a == Tensor<double>({2, 2}, {1, 2, 3, 4}));
  CHECK_FALSE(a == Tensor<double>({4}, {1, 2, 3, 4}));
  CHECK_FALSE(a == Tensor<double>({2, 2}, {1, 2, 3, 5}));
  const Tensor<double> nan({1}, std::numeric_limits<double>::quiet_NaN());
  CHECK_FALSE(nan == nan);
}

TEST_CASE("view: writes where it looks, and indexes row by row") {
  Tensor<float> x({2, 3}, {0, 1, 2, 3, 4, 5});
  const View<float> view = x;
  for (Index i = 0; i < 2; ++i) {
    for (Index j = 0; j < 3; ++j) CHECK(view(i, j) == static_cast<float>(3 * i + j));
  }
  view(1, 2) = 50;
  CHECK(x[5] == 50);
  CHECK(view.reshaped({3, 2})(2, 1) == 50);
  const View<const float> reader = view;
  CHECK(reader.data() == x.data());
  CHECK(Tensor<float>(reader) == x);
  static_assert(!std::is_convertible_v<View<const float>, View<float>>);
  static_assert(!std::is_convertible_v<const Tensor<float>&, View<float>>);
  CHECK(View<float>().size() == 0);
}
