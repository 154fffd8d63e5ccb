#include "data/augment.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "data/loader.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using data::Augment;
using data::ImageSet;
using data::Loader;
using data::Move;
using data::Order;
using data::Scope;
using data::Standardizer;

namespace {

constexpr Index side = 4;
constexpr Index features = 3 * side * side;

// The pixel that (c, y, x) of a moved image shows, or -1 for one from outside: by hand, from the
// definition.
Index source(const Move& move, Index c, Index y, Index x) {
  const Index from_y = y - move.down;
  Index from_x = x - move.right;
  if (from_y < 0 || from_y >= side || from_x < 0 || from_x >= side) return -1;
  if (move.flip) from_x = side - 1 - from_x;
  return (c * side + from_y) * side + from_x;
}

// n images whose bytes all differ from one another and never are 0.
ImageSet distinct_images(Index n) {
  ImageSet set(n, features);
  for (std::size_t i = 0; i < set.pixels.size(); ++i) {
    set.pixels[i] = static_cast<std::uint8_t>(1 + (i * 7) % 251);
  }
  std::iota(set.labels.begin(), set.labels.end(), 0);
  return set;
}

std::vector<Move> all_moves() {
  std::vector<Move> moves;
  for (const bool flip : {false, true}) {
    for (Index down = -3; down <= 3; ++down) {
      for (Index right = -3; right <= 3; ++right) moves.push_back({flip, down, right});
    }
  }
  return moves;
}

}  // namespace

TEST_CASE("augment: every move puts every pixel where the definition says") {
  const ImageSet set = distinct_images(1);
  for (const Move& move : all_moves()) {
    std::vector<std::uint8_t> moved(static_cast<std::size_t>(features), 99);
    data::move_image(set.image(0), move, side, moved);
    std::vector<float> x(static_cast<std::size_t>(features), 7);
    data::clear_outside<float>(move, side, x);
    for (Index c = 0; c < 3; ++c) {
      for (Index y = 0; y < side; ++y) {
        for (Index i = 0; i < side; ++i) {
          const auto place = static_cast<std::size_t>((c * side + y) * side + i);
          const Index from = source(move, c, y, i);
          CHECK(moved[place] == (from < 0 ? 0 : set.pixels[static_cast<std::size_t>(from)]));
          CHECK(x[place] == (from < 0 ? 0.0f : 7.0f));
        }
      }
    }
  }
}

TEST_CASE("augment: moves are uniform and each depends on its place alone") {
  const Augment augment{.flip = true, .max_shift = 2};
  const Rng rng(5);
  std::map<Index, int> down, right;
  int flips = 0;
  constexpr int n = 20'000;
  for (int i = 0; i < n; ++i) {
    const Move move = data::draw_move(augment, rng, static_cast<std::uint64_t>(i));
    ++down[move.down];
    ++right[move.right];
    flips += move.flip;
  }
  CHECK(std::abs(flips - n / 2) < 400);  // over five sigma
  REQUIRE((down.size() == 5 && right.size() == 5));
  CHECK((down.begin()->first == -2 && right.begin()->first == -2));
  for (const auto& [shift, count] : down) CHECK(std::abs(count - n / 5) < 300);
  for (const auto& [shift, count] : right) CHECK(std::abs(count - n / 5) < 300);
  CHECK(data::draw_move(augment, rng, 77) == data::draw_move(augment, rng, 77));
  const Move still = data::draw_move({}, rng, 3);
  CHECK(still == Move{});
}

TEST_CASE("augment: a loader standardises with the statistics of the destination") {
  const ImageSet set = distinct_images(40);
  const auto standardizer = Standardizer::fit(set);
  Loader<double> plain(set, standardizer, 40, Rng(3), Order::sequential);
  Loader<double> loader(set, standardizer, 40, Rng(3), Order::sequential,
                        {.flip = true, .max_shift = 1});
  const auto [x, y] = loader.next();
  CHECK(std::equal(y.begin(), y.end(), set.labels.begin()));
  std::set<std::pair<Index, Index>> seen;
  for (Index i = 0; i < 40; ++i) {
    // Find the move that explains the image; exactly one must.
    int explanations = 0;
    for (const Move& move : all_moves()) {
      bool fits = true;
      for (Index p = 0; p < features && fits; ++p) {
        const Index from = source(move, p / (side * side), p / side % side, p % side);
        const auto at = static_cast<std::size_t>(p);
        const double expected =
            from < 0
                ? 0.0
                : (set.image(i)[static_cast<std::size_t>(from)] / 255.0 - standardizer.mean()[at]) /
                      standardizer.std()[at];
        fits = std::abs(x.data()[i * features + p] - expected) < 1e-12;
      }
      explanations += fits;
      if (fits) seen.insert({move.down, move.right});
    }
    CHECK(explanations == 1);
  }
  CHECK(seen.size() == 9);
}

TEST_CASE("augment: a batch is the same after seek, in float and double, in any order") {
  const ImageSet set = distinct_images(20);
  const auto standardizer = Standardizer::fit(set);
  const Augment augment{.flip = true, .max_shift = 3};
  Loader<double> loader(set, standardizer, 5, Rng(8), Order::shuffled, augment);
  Loader<float> as_float(set, standardizer, 5, Rng(8), Order::shuffled, augment);
  Loader<double> in_order(set, standardizer, 20, Rng(8), Order::sequential, augment);
  std::vector<std::vector<double>> batches;
  for (Index i = 0; i < 8; ++i) {
    const auto [x, y] = loader.next();
    batches.emplace_back(x.begin(), x.end());
    const auto [xf, yf] = as_float.next();
    for (Index k = 0; k < x.size(); ++k) {
      REQUIRE(std::abs(static_cast<double>(xf.data()[k]) - x.data()[k]) < 1e-5);
    }
    if (i >= 4) continue;
    in_order.seek(0);
    const auto [all, labels] = in_order.next();
    for (std::size_t k = 0; k < y.size(); ++k) {
      const double* row = all.data() + y[k] * features;
      CHECK(std::equal(row, row + features, x.data() + static_cast<Index>(k) * features));
    }
  }
  CHECK(batches[0] != batches[4]);
  loader.seek(6);
  const auto [x, y] = loader.next();
  CHECK(std::equal(x.begin(), x.end(), batches[6].begin()));
}

TEST_CASE("augment: what cannot be moved is refused") {
  CHECK(data::augmented_side({.flip = true}, 3072) == 32);
  CHECK_THROWS_AS(data::augmented_side({.flip = true}, 3073), DataError);
  CHECK_THROWS_AS(data::augmented_side({.flip = true}, 6), DataError);
  CHECK_THROWS_AS(data::augmented_side({.max_shift = 32}, 3072), DataError);
  CHECK_THROWS_AS(data::augmented_side({.max_shift = -1}, 3072), DataError);
  const ImageSet set(10, 6);
  const auto standardizer = Standardizer::fit(set, Scope::none);
  CHECK_NOTHROW(Loader<float>(set, standardizer, 5, Rng(1)));
  CHECK_THROWS_AS(Loader<float>(set, standardizer, 5, Rng(1), Order::shuffled, {.flip = true}),
                  DataError);
}
