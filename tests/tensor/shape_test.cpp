#include "tensor/shape.h"

#include <vector>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace tapegrad;

TEST_CASE("shape: rank, size and axes") {
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.size() == 1);
  const Shape s{2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s.size() == 24);
  CHECK(s[1] == 3);
  CHECK(std::vector<Index>(s.begin(), s.end()) == std::vector<Index>{2, 3, 4});
  CHECK(Shape{3, 0}.size() == 0);
  CHECK(Shape{1, 1, 1, 1, 1, 7}.size() == 7);
}

TEST_CASE("shape: equal sizes make equal shapes") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{6} == Shape{2, 3});
  CHECK_FALSE(Shape{} == Shape{1});
  CHECK_FALSE(Shape{0, 2} == Shape{0, 3});
}

TEST_CASE("shape: impossible sizes are refused") {
  CHECK(test::error_of<ShapeError>([] {
          Shape{2, -3};
        }) == "shape [2, -3] has the negative size -3");
  CHECK(test::error_of<ShapeError>([] { Shape{1, 1, 1, 1, 1, 1, 1}; }) ==
        "shape [1, 1, 1, 1, 1, 1, 1] has rank 7, but tensors have at most 6 axes");
  const Index big = Index{1} << 32;
  CHECK(test::error_of<ShapeError>([=] {
          Shape{big, big};
        }) == "shape [4294967296, 4294967296] has more elements than can be counted");
  CHECK(test::error_of<ShapeError>([=] {
          Shape{0, -1};
        }) == "shape [0, -1] has the negative size -1");
}

TEST_CASE("shape: axes count from either end") {
  const Shape s{2, 3, 4};
  CHECK(s.axis(0, "sum") == 0);
  CHECK(s.axis(-1, "sum") == 2);
  CHECK(s.axis(-3, "sum") == 0);
  CHECK(test::error_of<ShapeError>([&] { s.axis(3, "sum"); }) ==
        "sum: axis 3 is out of range for shape [2, 3, 4] (rank 3)");
  CHECK_THROWS_AS(s.axis(-4, "sum"), ShapeError);
  CHECK_THROWS_AS(Shape{}.axis(0, "sum"), ShapeError);
}

TEST_CASE("shape: an axis replaced or removed") {
  const Shape s{2, 3, 4};
  CHECK(s.with(1, 1) == Shape{2, 1, 4});
  CHECK(s.without(0) == Shape{3, 4});
  CHECK(s.without(2) == Shape{2, 3});
  CHECK(Shape{5}.without(0) == Shape{});
  CHECK_THROWS_AS(s.with(1, -1), ShapeError);
}

TEST_CASE("shape: text") {
  CHECK(to_string(Shape{}) == "[]");
  CHECK(to_string(Shape{100, 3072}) == "[100, 3072]");
}

TEST_CASE("shape: broadcasting follows NumPy") {
  struct Case {
    Shape a, b, both;
  };
  const Case cases[] = {
      {{2, 3}, {2, 3}, {2, 3}},       {{2, 3}, {3}, {2, 3}},
      {{2, 3}, {}, {2, 3}},           {{2, 1}, {1, 3}, {2, 3}},
      {{5, 1, 4}, {3, 1}, {5, 3, 4}}, {{1}, {0}, {0}},
      {{0, 3}, {1, 3}, {0, 3}},       {{}, {}, {}},
      {{1, 1}, {7}, {1, 7}},
  };
  for (const Case& c : cases) {
    CAPTURE(to_string(c.a), to_string(c.b));
    CHECK(broadcast_shapes(c.a, c.b, "add") == c.both);
    CHECK(broadcast_shapes(c.b, c.a, "add") == c.both);
    CHECK(broadcasts_to(c.a, c.both));
    CHECK(broadcasts_to(c.b, c.both));
  }
  CHECK_FALSE(broadcasts_to({2, 3}, {3}));
  CHECK_FALSE(broadcasts_to({2}, {2, 3}));
  CHECK_FALSE(broadcasts_to({3}, {1}));
  CHECK_FALSE(broadcasts_to({3}, {0}));
}

TEST_CASE("shape: shapes that do not broadcast are refused") {
  CHECK(test::error_of<ShapeError>([] {
          broadcast_shapes({100, 50}, {100, 10}, "add");
        }) ==
        "add: shapes [100, 50] and [100, 10] do not broadcast: 50 and 10 (axis 1 from the end) "
        "must be equal, or one of them 1");
  CHECK_THROWS_AS(broadcast_shapes({2, 3}, {2}, "add"), ShapeError);
  CHECK_THROWS_AS(broadcast_shapes({0}, {2}, "add"), ShapeError);
}

TEST_CASE("shape: more elements than bytes can be counted is refused, in any order of the axes") {
  const Index large = Index{1} << 40;
  CHECK_THROWS_AS((Shape{Index{1} << 31, Index{1} << 31}), ShapeError);
  CHECK_THROWS_AS((Shape{0, large, large}), ShapeError);
  CHECK_THROWS_AS((Shape{large, large, 0}), ShapeError);
  CHECK(Shape{0, large}.size() == 0);
  CHECK(Shape{Index{1} << 58}.size() == Index{1} << 58);
}

TEST_CASE("shape: with and without check their axis and count from the end") {
  const Shape s{2, 3, 4};
  CHECK(s.with(-1, 5) == Shape{2, 3, 5});
  CHECK(s.without(-3) == Shape{3, 4});
  CHECK(test::error_of<ShapeError>([&] { s.with(3, 1); }) ==
        "with: axis 3 is out of range for shape [2, 3, 4] (rank 3)");
  CHECK_THROWS_AS(s.without(-4), ShapeError);
}
