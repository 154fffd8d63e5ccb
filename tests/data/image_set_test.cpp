#include "data/image_set.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using data::ImageSet;

namespace {

// Image i holds the bytes first + i, first + i + 1, ... and has label i % 10.
ImageSet counting_set(Index n, Index features, std::uint8_t first = 0) {
  ImageSet set(n, features);
  for (Index i = 0; i < n; ++i) {
    const auto image = set.image(i);
    std::iota(image.begin(), image.end(), static_cast<std::uint8_t>(first + i));
    set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i % 10);
  }
  return set;
}

}  // namespace

TEST_CASE("image set: sizes and pixels") {
  const ImageSet set = counting_set(4, 5);
  CHECK(set.size() == 4);
  CHECK(set.pixels.size() == 20);
  CHECK(set.image(3).size() == 5);
  CHECK(set.image(3)[4] == 7);
  CHECK(ImageSet().size() == 0);
  CHECK(ImageSet(0).features == 3072);
}

TEST_CASE("image set: copies are equal and independent") {
  const ImageSet set = counting_set(3, 4);
  ImageSet copy = set;
  CHECK(copy == set);
  copy.image(0)[0] = 99;
  CHECK_FALSE(copy == set);
  CHECK(set.image(0)[0] == 0);
}

TEST_CASE("image set: first, last and slice copy the right images") {
  const ImageSet set = counting_set(10, 3);
  CHECK(set.slice(2, 5) == [&] {
    ImageSet expected = counting_set(3, 3, 2);
    expected.labels = {2, 3, 4};
    return expected;
  }());
  CHECK(set.first(4) == set.slice(0, 4));
  CHECK(set.last(4) == set.slice(6, 10));
  CHECK(set.slice(0, 10) == set);
  CHECK(set.first(0).size() == 0);
  CHECK(set.slice(10, 10).size() == 0);
}

TEST_CASE("image set: concat and append join sets end to end") {
  const ImageSet set = counting_set(10, 3);
  CHECK(concat(set.first(4), set.slice(4, 10)) == set);
  CHECK(concat(ImageSet(), set) == set);
  CHECK(concat(set, ImageSet()) == set);
  ImageSet grown = set.first(4);
  grown.append(set.last(6));
  CHECK(grown == set);
  grown.append(grown);
  CHECK(grown == concat(set, set));
}

TEST_CASE("image set: ranges that do not fit are refused") {
  const ImageSet set = counting_set(10, 3);
  CHECK_THROWS_AS(set.image(10), DataError);
  CHECK_THROWS_AS(set.image(-1), DataError);
  CHECK_THROWS_AS(set.slice(-1, 3), DataError);
  CHECK_THROWS_AS(set.slice(4, 3), DataError);
  CHECK_THROWS_AS(set.last(-1), DataError);
  CHECK_THROWS_WITH(set.slice(3, 11), "image set: images [3, 11) asked for: there are 10");
  CHECK_THROWS_WITH(set.first(11), "image set: the first 11 images asked for: there are 10");
  CHECK_THROWS_WITH(set.last(11), "image set: the last 11 images asked for: there are 10");
  CHECK_THROWS_WITH(concat(set, counting_set(1, 4)),
                    "image set: images of 4 bytes cannot follow images of 3 bytes");
}

TEST_CASE("image set: impossible sizes are refused") {
  CHECK_THROWS_WITH(ImageSet(-1),
                    "image set: -1 images of 3072 bytes: need at least 0 images of at least 1 "
                    "byte");
  CHECK_THROWS_AS(ImageSet(1, 0), DataError);
  CHECK_THROWS_AS(ImageSet(Index{1} << 60, 3072), DataError);
}

TEST_CASE("image set: labels and pixels that do not match are refused") {
  ImageSet set = counting_set(2, 3);
  CHECK_NOTHROW(require_images(set, "test"));
  set.labels.push_back(1);
  CHECK_THROWS_WITH(require_images(set, "test"),
                    "test: the image set has 3 labels but 6 bytes, expected 3 x 3");
  CHECK_THROWS_WITH(require_images(ImageSet(), "test"), "test: the image set is empty");
}

TEST_CASE("image set: nothing is read or written where labels and pixels do not match") {
  const ImageSet whole = counting_set(4, 3);
  for (const std::size_t labels : {std::size_t{3}, std::size_t{5}}) {
    ImageSet set = whole;
    set.labels.resize(labels);
    const std::string expected = fmt::format(
        "image set: the image set has {} labels but 12 bytes, expected {} x 3", labels, labels);
    CHECK_THROWS_WITH(set.append(whole), expected);
    CHECK_THROWS_WITH(concat(whole, set), expected);
    CHECK_THROWS_WITH(set.slice(0, 1), expected);
    CHECK_THROWS_WITH(std::as_const(set).image(0), expected);
  }
  CHECK_NOTHROW(concat(whole, whole));
}
