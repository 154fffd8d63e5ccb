#include "data/loader.h"

#include <algorithm>
#include <type_traits>

#include "data/augment.h"
#include "data/synthetic.h"
#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/tensor/product_tables.h"

using namespace tapegrad;
using data::ImageSet;
using data::Loader;
using data::Order;
using data::Scope;
using data::Standardizer;

namespace {

// Image i holds i in all of its bytes, and is labelled 100 + i.
ImageSet numbered_set(Index n) {
  ImageSet set(n, 6);
  for (Index i = 0; i < n; ++i) {
    std::fill_n(set.image(i).begin(), 6, static_cast<std::uint8_t>(i));
    set.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(100 + i);
  }
  return set;
}

template <Scalar T>
std::vector<std::int32_t> next_epoch(Loader<T>& loader) {
  std::vector<std::int32_t> labels;
  for (Index i = 0; i < loader.batches_per_epoch(); ++i) {
    const auto [x, y] = loader.next();
    labels.insert(labels.end(), y.begin(), y.end());
  }
  return labels;
}

template <class T, class Images, class Statistics>
constexpr bool loads = std::is_constructible_v<Loader<T>, Images, Statistics, Index, Rng>;

}  // namespace

TEST_CASE("loader: each epoch visits every image once, in another order") {
  const ImageSet set = numbered_set(60);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 12, Rng(1));
  CHECK(loader.batches_per_epoch() == 5);
  std::vector<std::vector<std::int32_t>> epochs;
  for (Index e = 0; e < 4; ++e) {
    CHECK(loader.epoch() == e);
    epochs.push_back(next_epoch(loader));
    CHECK(std::count(epochs.begin(), epochs.end(), epochs.back()) == 1);
    CHECK_FALSE(epochs.back() == set.labels);
    CHECK(std::is_permutation(set.labels.begin(), set.labels.end(), epochs.back().begin(),
                              epochs.back().end()));
  }
}

TEST_CASE("loader: x holds the standardised pixels of the images y labels") {
  const ImageSet set = numbered_set(50);
  const auto standardizer = Standardizer::fit(set, Scope::global);
  Loader<double> loader(set, standardizer, 10, Rng(2));
  std::vector<double> expected(6);
  for (int step = 0; step < 12; ++step) {
    const auto [x, y] = loader.next();
    REQUIRE(x.shape() == Shape{10, 6});
    REQUIRE(y.size() == 10);
    for (Index i = 0; i < 10; ++i) {
      standardizer.apply<double>(set.image(y[static_cast<std::size_t>(i)] - 100), expected);
      CHECK(std::equal(expected.begin(), expected.end(), x.begin() + i * 6));
    }
  }
}

TEST_CASE("loader: one seed gives one sequence of batches, in float and double") {
  const ImageSet set = numbered_set(40);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> a(set, standardizer, 7, Rng(5));
  Loader<float> b(set, standardizer, 7, Rng(5));
  Loader<double> c(set, standardizer, 7, Rng(5));
  Loader<float> other(set, standardizer, 7, Rng(6));
  for (int e = 0; e < 3; ++e) {
    const auto labels = next_epoch(a);
    CHECK(next_epoch(b) == labels);
    CHECK(next_epoch(c) == labels);
    CHECK_FALSE(next_epoch(other) == labels);
  }
}

TEST_CASE("loader: an epoch's order does not depend on the batches before or their size") {
  const ImageSet set = numbered_set(40);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> played(set, standardizer, 10, Rng(5));
  for (int i = 0; i < 3; ++i) next_epoch(played);
  Loader<float> sought(set, standardizer, 20, Rng(5));
  sought.seek(6);
  CHECK(sought.epoch() == 3);
  CHECK(next_epoch(sought) == next_epoch(played));
}

TEST_CASE("loader: seek resumes in the middle of an epoch and goes back") {
  const ImageSet set = numbered_set(40);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 9, Rng(7));
  std::vector<std::vector<std::int32_t>> batches;
  for (int i = 0; i < 11; ++i) {
    const auto [x, y] = loader.next();
    batches.emplace_back(y.begin(), y.end());
  }
  CHECK(loader.position() == 11);
  for (const Index at : {6, 10, 0, 3, 4}) {
    loader.seek(at);
    const auto [x, y] = loader.next();
    CHECK(std::equal(y.begin(), y.end(), batches[static_cast<std::size_t>(at)].begin()));
  }
  CHECK_THROWS_WITH(loader.seek(-1), "loader: no batch -1");
}

TEST_CASE("loader: sequential order is the set's own in every epoch") {
  const ImageSet set = numbered_set(30);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 10, Rng(1), Order::sequential);
  CHECK(next_epoch(loader) == set.labels);
  CHECK(next_epoch(loader) == set.labels);
}

TEST_CASE("loader: the last incomplete batch of an epoch is dropped") {
  const ImageSet set = numbered_set(29);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> sequential(set, standardizer, 10, Rng(1), Order::sequential);
  CHECK(sequential.batches_per_epoch() == 2);
  CHECK(next_epoch(sequential) == set.first(20).labels);
  CHECK(next_epoch(sequential) == set.first(20).labels);
  Loader<float> shuffled(set, standardizer, 10, Rng(1));
  auto labels = next_epoch(shuffled);
  std::sort(labels.begin(), labels.end());
  CHECK(std::unique(labels.begin(), labels.end()) - labels.begin() == 20);
}

TEST_CASE("loader: batch sizes and sets that do not fit are refused") {
  const ImageSet set = numbered_set(40);
  const ImageSet empty(0, 6);
  const auto standardizer = Standardizer::fit(set);
  const Standardizer other({0.0}, {1.0});
  CHECK_NOTHROW(Loader<float>(set, standardizer, 40, Rng(1)));
  CHECK_THROWS_WITH(Loader<float>(set, standardizer, 41, Rng(1)),
                    "loader: batch size 41 with 40 images: need 1 to 40");
  CHECK_THROWS_AS(Loader<float>(set, standardizer, 0, Rng(1)), DataError);
  CHECK_THROWS_AS(Loader<float>(set, standardizer, -1, Rng(1)), DataError);
  CHECK_THROWS_WITH(Loader<float>(empty, standardizer, 1, Rng(1)),
                    "loader: the image set is empty");
  CHECK_THROWS_WITH(Loader<float>(set, other, 1, Rng(1)),
                    "loader: images of 6 bytes but a standardizer for 1");
}

TEST_CASE("loader: temporaries cannot be loaded from") {
  STATIC_REQUIRE(loads<float, const ImageSet&, const Standardizer&>);
  STATIC_REQUIRE_FALSE(loads<float, ImageSet, const Standardizer&>);
  STATIC_REQUIRE_FALSE(loads<float, const ImageSet&, Standardizer>);
  STATIC_REQUIRE_FALSE(loads<float, ImageSet, Standardizer>);
}

TEST_CASE("gather: a contiguous range of images and their labels") {
  const ImageSet set = numbered_set(20);
  const auto standardizer = Standardizer::fit(set);
  Tensor<float> out({4, 6});
  const auto [x, y] = gather(set, standardizer, 16, out.view());
  CHECK(x.data() == out.data());
  CHECK(std::equal(y.begin(), y.end(), set.labels.begin() + 16));
  std::vector<float> expected(6);
  for (Index i = 0; i < 4; ++i) {
    standardizer.apply<float>(set.image(16 + i), expected);
    CHECK(std::equal(expected.begin(), expected.end(), x.begin() + i * 6));
  }
}

TEST_CASE("gather: no images are none, on any number of threads") {
  const data::ImageSet set = data::synthetic_images(20, 1);
  const auto standardizer = data::Standardizer::fit(set);
  Tensor<float> none({0, set.features});
  for (const int count : {1, 3}) {
    const test::Threads threads(count);
    const auto [x, y] = gather(set, standardizer, 20, none.view());
    CHECK(x.size() == 0);
    CHECK(y.empty());
  }
}

TEST_CASE("gather: ranges and targets that do not fit are refused") {
  const ImageSet set = numbered_set(20);
  const auto standardizer = Standardizer::fit(set);
  Tensor<float> out({4, 6}), narrow({4, 5}), flat({24});
  CHECK_THROWS_WITH(gather(set, standardizer, 17, out.view()),
                    "gather: 4 images from 17 on asked for: there are 20");
  CHECK_THROWS_AS(gather(set, standardizer, -1, out.view()), DataError);
  CHECK_THROWS_WITH(gather(set, standardizer, 0, narrow.view()),
                    "gather: out is [4, 5] but images have 6 bytes: need [n, 6]");
  CHECK_THROWS_AS(gather(set, standardizer, 0, flat.view()), DataError);
}

TEST_CASE("loader: batches and blocks are the same on any number of threads") {
  const ImageSet set = data::synthetic_images(230, 1);
  const auto standardizer = Standardizer::fit(set);
  for (const bool flip : {false, true}) {
    Loader<float> alone(set, standardizer, 100, Rng(3), Order::shuffled, {.flip = flip});
    for (Index i = 0; i < 4; ++i) {
      const auto [x, y] = alone.next_alone();
      for (const int count : {1, 2, 3, 8}) {
        const test::Threads threads(count);
        Loader<float> shared(set, standardizer, 100, Rng(3), Order::shuffled, {.flip = flip});
        shared.seek(i);
        const auto batch = shared.next();
        CAPTURE(flip, i, count);
        CHECK(shared.position() == i + 1);
        CHECK(std::equal(x.begin(), x.end(), batch.x.begin(), batch.x.end()));
        CHECK(std::equal(y.begin(), y.end(), batch.y.begin(), batch.y.end()));
      }
    }
  }
  Tensor<float> one({150, set.features}), three({150, set.features});
  gather(set, standardizer, 70, one.view());
  const test::Threads threads(3);
  gather(set, standardizer, 70, three.view());
  CHECK(one == three);
  gather(set, standardizer, 71, three.view());
  CHECK_FALSE(one == three);
}

TEST_CASE("loader: a set that has grown or shrunk since is refused") {
  ImageSet set = numbered_set(20);
  const auto standardizer = Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 10, Rng(1));
  loader.next();
  set.append(numbered_set(20));
  CHECK_THROWS_WITH(loader.next(), "loader: made for 20 images, but the set has 40 now");
}

TEST_CASE("loader: a set whose images became others is refused") {
  data::ImageSet set = data::synthetic_images(20, 1);
  const auto standardizer = data::Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 10, Rng(1));
  CHECK_NOTHROW(loader.next());
  const data::Pixels whole = set.pixels;
  set.pixels = data::Pixels(3072);
  CHECK_THROWS_AS(loader.next(), DataError);
  set.pixels = whole;
  set.features = 1536;
  CHECK_THROWS_AS(loader.next(), DataError);
  set = data::ImageSet(20, 12);
  CHECK_THROWS_WITH(loader.next(),
                    "loader: made for images of 3072 bytes, but they have 12 now and the "
                    "standardizer is for 3072");
}

TEST_CASE("loader: a place that no training reaches is refused") {
  const data::ImageSet set = data::synthetic_images(20, 1);
  const auto standardizer = data::Standardizer::fit(set);
  Loader<float> loader(set, standardizer, 10, Rng(1));
  CHECK_THROWS_AS(loader.seek(std::numeric_limits<Index>::max()), DataError);
  loader.seek((Index{1} << 62) - 1);
  CHECK_NOTHROW(loader.next());
}

TEST_CASE("loader: moves are drawn from a stream of their own") {
  const data::ImageSet set = data::synthetic_images(20, 1);
  const auto standardizer = data::Standardizer::fit(set, data::Scope::none);
  const data::Augment augment{.flip = true, .max_shift = 4};
  Rng key(5);
  key.split();  // the order's
  const Rng child = key.split();
  const Rng moves(child.seed(), child.stream());
  data::Loader<double> loader(set, standardizer, 20, Rng(5), data::Order::sequential, augment);
  const auto batch = loader.next();
  std::vector<std::uint8_t> moved(3072);
  std::vector<double> x(3072);
  for (Index i = 0; i < 20; ++i) {
    const data::Move move = data::draw_move(augment, moves, static_cast<std::uint64_t>(i));
    data::move_image(set.image(i), move, 32, moved);
    standardizer.apply<double>(moved, x);
    data::clear_outside<double>(move, 32, x);
    CHECK(std::equal(x.begin(), x.end(), batch.x.data() + i * 3072));
  }
}
