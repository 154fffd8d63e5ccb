#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
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
using data::Standardizer;

namespace {

constexpr Index side = 11;  // no multiple of the eight bytes that are moved at once
constexpr Index features = 3 * side * side;

// Bytes that tell every place from every other, and image i labelled i.
ImageSet random_set(Index n) {
  ImageSet set(n, features);
  Rng rng(11);
  for (auto& b : set.pixels) b = static_cast<std::uint8_t>(rng.below(256));
  for (Index i = 0; i < n; ++i) set.labels[static_cast<std::size_t>(i)] = std::int32_t(i);
  return set;
}

// What a mistaken implementation would do.
enum class Fault {
  none,
  shifted_too_far,
  flipped_upside_down,
  moved_before_flip,
  source_statistics
};

// Number (c, y, x) of an image that was mirrored, moved and standardised, by the definition; none
// where it came in from outside.
std::optional<double> number_at(std::span<const std::uint8_t> image,
                                const Standardizer& standardizer, const Move& move, Index c,
                                Index y, Index x, Fault fault) {
  const Index right = fault == Fault::moved_before_flip && move.flip ? -move.right : move.right;
  Index from_y = y - move.down;
  Index from_x = x - right - (fault == Fault::shifted_too_far ? 1 : 0);
  if (from_y < 0 || from_y >= side || from_x < 0 || from_x >= side) return {};
  if (move.flip) {
    if (fault == Fault::flipped_upside_down) {
      from_y = side - 1 - from_y;
    } else {
      from_x = side - 1 - from_x;
    }
  }
  const auto from = static_cast<std::size_t>((c * side + from_y) * side + from_x);
  const auto to = static_cast<std::size_t>((c * side + y) * side + x);
  const std::size_t of = fault == Fault::source_statistics ? from : to;
  return (image[from] / 255.0 - standardizer.mean()[of]) / standardizer.std()[of];
}

template <Real T>
bool is_moved(const T* x, std::span<const std::uint8_t> image, const Standardizer& standardizer,
              const Move& move, Fault fault = Fault::none) {
  for (Index i = 0; i < features; ++i) {
    const auto expected =
        number_at(image, standardizer, move, i / (side * side), i / side % side, i % side, fault);
    const double error = std::abs(static_cast<double>(x[i]) - expected.value_or(0));
    if (!(error <= (expected ? 1e-5 : 0))) return false;
  }
  return true;
}

// The one move among all allowed ones that made `x` of the image.
template <Real T>
Move move_of(const T* x, std::span<const std::uint8_t> image, const Standardizer& standardizer,
             Index max_shift) {
  std::vector<Move> found;
  for (const bool flip : {false, true}) {
    for (Index down = -max_shift; down <= max_shift; ++down) {
      for (Index right = -max_shift; right <= max_shift; ++right) {
        const Move move{flip, down, right};
        if (is_moved(x, image, standardizer, move)) found.push_back(move);
      }
    }
  }
  REQUIRE(found.size() == 1);
  return found.front();
}

// What an epoch, the loader's next, does to each image, by its number.
template <Real T>
std::vector<Move> next_moves(Loader<T>& loader, const ImageSet& set,
                             const Standardizer& standardizer, Index max_shift) {
  std::vector<Move> moves(static_cast<std::size_t>(set.size()));
  for (Index b = loader.batches_per_epoch(); b > 0; --b) {
    const auto [x, y] = loader.next();
    for (std::size_t i = 0; i < y.size(); ++i) {
      moves[static_cast<std::size_t>(y[i])] = move_of(x.data() + static_cast<Index>(i) * features,
                                                      set.image(y[i]), standardizer, max_shift);
    }
  }
  return moves;
}

}  // namespace

TEST_CASE("augment: every image is some allowed move of itself") {
  const ImageSet set = random_set(60);
  const auto standardizer = Standardizer::fit(set);
  Loader<double> loader(set, standardizer, 12, Rng(1), Order::shuffled, {true, 2});
  const auto moves = next_moves(loader, set, standardizer, 2);
  CHECK(std::any_of(moves.begin(), moves.end(), [](const Move& m) { return m.flip; }));
  CHECK(std::any_of(moves.begin(), moves.end(), [](const Move& m) { return m.down == 2; }));
  CHECK(std::any_of(moves.begin(), moves.end(), [](const Move& m) { return m.right == -2; }));
}

TEST_CASE("augment: mistakes in moving are told from the real thing") {
  const ImageSet set = random_set(40);
  const auto standardizer = Standardizer::fit(set);
  Loader<double> loader(set, standardizer, 40, Rng(1), Order::sequential, {true, 2});
  const auto [x, y] = loader.next();
  const auto all_match = [&, data = x.data()](Fault fault) {
    for (Index i = 0; i < set.size(); ++i) {
      const double* image = data + i * features;
      const Move move = move_of(image, set.image(i), standardizer, 2);
      if (!is_moved(image, set.image(i), standardizer, move, fault)) return false;
    }
    return true;
  };
  CHECK(all_match(Fault::none));
  CHECK_FALSE(all_match(Fault::shifted_too_far));
  CHECK_FALSE(all_match(Fault::flipped_upside_down));
  CHECK_FALSE(all_match(Fault::moved_before_flip));
  CHECK_FALSE(all_match(Fault::source_statistics));
}

TEST_CASE("augment: flips are even, shifts uniform, all independent") {
  constexpr Index draws = 60'000;
  std::vector<Index> counts(2 * 5 * 5);
  for (Index i = 0; i < draws; ++i) {
    const Move m = data::draw_move({true, 2}, Rng(3, 7), static_cast<std::uint64_t>(i));
    REQUIRE(std::max(std::abs(m.down), std::abs(m.right)) <= 2);
    ++counts[static_cast<std::size_t>(((m.flip ? 1 : 0) * 5 + m.down + 2) * 5 + m.right + 2)];
  }
  const double expected = static_cast<double>(draws) / 50;
  for (const Index count : counts) {
    CHECK(std::abs(static_cast<double>(count) - expected) <= 5 * std::sqrt(expected));
  }
}

TEST_CASE("augment: flips alone and shifts alone") {
  const ImageSet set = random_set(200);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> flips(set, standardizer, 50, Rng(1), Order::shuffled, {.flip = true});
  Index flipped = 0;
  for (const Move& m : next_moves(flips, set, standardizer, 2)) {
    CHECK((m.down == 0 && m.right == 0));
    flipped += m.flip;
  }
  CHECK(std::abs(static_cast<double>(flipped) - 100) <= 5 * std::sqrt(50.0));
  Loader<float> shifts(set, standardizer, 50, Rng(1), Order::shuffled, {.max_shift = 1});
  for (const Move& m : next_moves(shifts, set, standardizer, 2)) {
    CHECK_FALSE(m.flip);
    CHECK(std::max(std::abs(m.down), std::abs(m.right)) <= 1);
  }
}

TEST_CASE("augment: a move depends on seed, epoch and image alone") {
  const ImageSet set = random_set(30);
  const auto standardizer = Standardizer::fit(set);
  const Augment augment{true, 2};
  Loader<float> loader(set, standardizer, 10, Rng(1), Order::shuffled, augment);
  const auto first = next_moves(loader, set, standardizer, 2);
  const auto second = next_moves(loader, set, standardizer, 2);
  CHECK_FALSE(first == second);

  Loader<double> exact(set, standardizer, 6, Rng(1), Order::sequential, augment);
  CHECK(next_moves(exact, set, standardizer, 2) == first);
  CHECK(next_moves(exact, set, standardizer, 2) == second);

  Loader<float> other(set, standardizer, 10, Rng(2), Order::shuffled, augment);
  CHECK_FALSE(next_moves(other, set, standardizer, 2) == first);
}

TEST_CASE("augment: seek gives the same numbers again") {
  const ImageSet set = random_set(30);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 10, Rng(1), Order::shuffled, {true, 2});
  std::vector<Tensor<float>> batches;
  for (int i = 0; i < 8; ++i) batches.emplace_back(loader.next().x);
  for (const Index at : {7, 0, 4, 5}) {
    loader.seek(at);
    CHECK(Tensor<float>(loader.next().x) == batches[static_cast<std::size_t>(at)]);
  }
}

TEST_CASE("augment: the images' order is the one without") {
  const ImageSet set = random_set(30);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> plain(set, standardizer, 10, Rng(1));
  Loader<float> off(set, standardizer, 10, Rng(1), Order::shuffled, Augment{});
  Loader<float> on(set, standardizer, 10, Rng(1), Order::shuffled, {true, 2});
  for (int i = 0; i < 7; ++i) {
    const auto expected = plain.next();
    const auto same = off.next();
    const auto moved = on.next();
    CHECK(std::equal(expected.y.begin(), expected.y.end(), moved.y.begin()));
    CHECK(Tensor<float>(expected.x) == Tensor<float>(same.x));
    CHECK_FALSE(Tensor<float>(expected.x) == Tensor<float>(moved.x));
  }
}

TEST_CASE("augment: pictures and shifts that do not fit are refused") {
  const ImageSet set = random_set(4);
  const auto standardizer = Standardizer::fit(set);
  const auto load = [&](const Augment& augment) {
    Loader<float>(set, standardizer, 2, Rng(1), Order::shuffled, augment);
  };
  CHECK_NOTHROW(load({false, side - 1}));
  CHECK_THROWS_WITH(load({false, side}), "augment: max_shift is 11, but must be in 0 .. 10");
  CHECK_THROWS_WITH(load({true, -1}), "augment: max_shift is -1, but must be in 0 .. 10");
  CHECK_THROWS_WITH(load({false, -1}), "augment: max_shift is -1, but must be in 0 .. 10");
  CHECK_THROWS_AS(load({true, std::numeric_limits<Index>::max()}), DataError);

  const ImageSet lines(4, 12 * 2);
  const auto of_lines =
      Standardizer({std::vector<double>(24, 0.0)}, {std::vector<double>(24, 1.0)});
  CHECK_NOTHROW(Loader<float>(lines, of_lines, 2, Rng(1)));
  CHECK_THROWS_WITH(
      Loader<float>(lines, of_lines, 2, Rng(1), Order::shuffled, Augment{.flip = true}),
      "augment: images of 24 bytes are not 3 square channels, so they cannot be moved");
}
