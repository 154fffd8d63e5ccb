#include "data/synthetic.h"

#include <algorithm>
#include <array>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using data::ImageSet;
using data::synthetic_images;

namespace {

// FNV-1a of the pixels, then of the labels.
std::uint64_t hash(const ImageSet& set) {
  std::uint64_t h = 14695981039346656037u;
  const auto add = [&](std::uint64_t byte) { h = (h ^ byte) * 1099511628211u; };
  for (const std::uint8_t b : set.pixels) add(b);
  for (const std::int32_t label : set.labels) add(static_cast<std::uint64_t>(label));
  return h;
}

}  // namespace

TEST_CASE("synthetic: the same bytes on every machine") {
  CHECK(hash(synthetic_images(20, 1)) == 0xd1dcf216dc038603u);
}

TEST_CASE("synthetic: a smaller set is the beginning of a larger one") {
  const ImageSet large = synthetic_images(57, 9);
  for (const Index n : {0, 1, 10, 33, 57}) CHECK(synthetic_images(n, 9) == large.first(n));
}

TEST_CASE("synthetic: seeds differ, images differ") {
  const ImageSet set = synthetic_images(20, 1);
  CHECK_FALSE(set == synthetic_images(20, 2));
  for (Index i = 1; i < 20; ++i) {
    CHECK_FALSE(std::ranges::equal(set.image(0), set.image(i)));
  }
}

TEST_CASE("synthetic: every ten images hold each class once, in random order") {
  const ImageSet set = synthetic_images(200, 4);
  constexpr std::array<std::int32_t, 10> classes{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  int in_order = 0;
  for (auto block = set.labels.begin(); block != set.labels.end(); block += 10) {
    CHECK(std::is_permutation(block, block + 10, classes.begin()));
    in_order += std::equal(block, block + 10, classes.begin());
  }
  CHECK(in_order == 0);
}

TEST_CASE("synthetic: a negative count is refused") {
  CHECK_THROWS_AS(synthetic_images(-1, 1), DataError);
}
