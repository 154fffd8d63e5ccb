#include "data/pixels.h"

#include <numeric>
#include <utility>

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using data::Pixels;

namespace {

Pixels counting(std::size_t size, std::uint8_t first = 0) {
  Pixels pixels(size);
  std::iota(pixels.begin(), pixels.end(), first);
  return pixels;
}

}  // namespace

TEST_CASE("pixels: copies are equal and independent, of any size") {
  // Both sides of a large page.
  for (const std::size_t size : {0UL, 1UL, 100UL, (1UL << 21) - 1, 1UL << 21, (1UL << 22) + 5}) {
    CAPTURE(size);
    const Pixels pixels = counting(size);
    Pixels copy = pixels;
    CHECK(copy.size() == size);
    CHECK(copy == pixels);
    if (size == 0) continue;
    ++copy[size - 1];
    CHECK_FALSE(copy == pixels);
    copy = pixels;
    CHECK(copy == pixels);
    const Pixels& same = copy;
    copy = same;
    CHECK(copy == pixels);
  }
  CHECK_FALSE(counting(3) == counting(4));
}

TEST_CASE("pixels: moved from, nothing is left, and it can be assigned to") {
  Pixels pixels = counting(10);
  const std::uint8_t* place = pixels.data();
  Pixels moved = std::move(pixels);
  CHECK(moved.data() == place);
  CHECK(pixels.size() == 0);  // NOLINT(bugprone-use-after-move): that is what is tested
  CHECK(pixels == Pixels());
  pixels = std::move(moved);
  CHECK(pixels == counting(10));
  CHECK(Pixels(Pixels()).size() == 0);
}

TEST_CASE("pixels: truncating keeps the first ones in place") {
  Pixels pixels = counting(10);
  const std::uint8_t* place = pixels.data();
  pixels.truncate(4);
  CHECK(pixels.data() == place);
  CHECK(pixels == counting(4));
  CHECK_THROWS_AS(pixels.truncate(5), DataError);
  CHECK(pixels == counting(4));
}

TEST_CASE("pixels: more than there is memory is refused") {
  CHECK_THROWS_AS(Pixels(SIZE_MAX), std::bad_alloc);
}

TEST_CASE("pixels: truncating to the size there is changes nothing") {
  data::Pixels pixels(3);
  pixels.truncate(3);
  CHECK(pixels.size() == 3);
}
