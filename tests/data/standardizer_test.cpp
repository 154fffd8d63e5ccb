#include "data/standardizer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/worse.h"

using namespace tapegrad;
using data::ImageSet;
using data::Scope;
using data::Standardizer;

namespace {

ImageSet random_set(Index n, Index features) {
  ImageSet set(n, features);
  Rng rng(3);
  for (auto& b : set.pixels) b = static_cast<std::uint8_t>(rng.below(256));
  return set;
}

struct Statistics {
  long double mean, std;
};

// Of the features [begin, end), by the definition and in two passes.
Statistics naive(const ImageSet& set, Index begin, Index end) {
  const auto count = static_cast<long double>(set.size() * (end - begin));
  const auto average = [&](auto f) {
    long double sum = 0;
    for (Index i = 0; i < set.size(); ++i) {
      for (Index j = begin; j < end; ++j) sum += f(set.image(i)[static_cast<std::size_t>(j)]);
    }
    return sum / count;
  };
  const long double mean = average([](std::uint8_t b) { return b / 255.0L; });
  const long double variance = average([&](std::uint8_t b) {
    const long double d = b / 255.0L - mean;
    return d * d;
  });
  return {mean, std::sqrt(variance)};
}

// How many features share a mean and a std.
Index run_length(Scope scope, Index features) {
  if (scope == Scope::per_pixel) return 1;
  return scope == Scope::per_channel ? features / 3 : features;
}

long double relative_error(long double actual, long double expected) {
  return std::abs(actual - expected) / std::abs(expected);
}

// The largest error of a decoded image, relative to the larger of the two terms subtracted.
template <Scalar T>
long double decoding_error(const ImageSet& set, const Standardizer& standardizer) {
  std::vector<T> out(static_cast<std::size_t>(set.features));
  long double worst = 0;
  for (Index i = 0; i < set.size(); ++i) {
    standardizer.apply<T>(set.image(i), out);
    for (std::size_t j = 0; j < out.size(); ++j) {
      const long double x = set.image(i)[j] / 255.0L;
      const long double mean = standardizer.mean()[j], std = standardizer.std()[j];
      const long double error = std::abs(out[j] - (x - mean) / std);
      worst = test::worse(worst, error / (std::max({x, mean, 1 / 255.0L}) / std));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("standardizer: many images at once are what they are one by one") {
  const ImageSet set = random_set(300, 24);
  const auto standardizer = Standardizer::fit(set);
  const auto features = static_cast<std::size_t>(set.features);
  std::vector<std::span<const std::uint8_t>> images;
  for (Index i = 0; i < set.size(); ++i) images.push_back(set.image(i));
  std::vector<float> together(images.size() * features), one(features);
  standardizer.apply<float>(images, together);
  bool same = true;
  for (std::size_t i = 0; i < images.size(); ++i) {
    standardizer.apply<float>(images[i], one);
    same = same && std::equal(one.begin(), one.end(), together.data() + i * features);
  }
  CHECK(same);
}

TEST_CASE("standardizer: mean and std agree with the definition in every scope") {
  const ImageSet set = random_set(57, 24);
  for (const Scope scope : {Scope::per_pixel, Scope::per_channel, Scope::global}) {
    CAPTURE(data::to_string(scope));
    const auto standardizer = Standardizer::fit(set, scope);
    const Index run = run_length(scope, set.features);
    for (Index j = 0; j < set.features; ++j) {
      const Statistics expected = naive(set, j / run * run, j / run * run + run);
      const auto at = static_cast<std::size_t>(j);
      CHECK(!(relative_error(standardizer.mean()[at], expected.mean) > 5e-16L));
      CHECK(!(relative_error(standardizer.std()[at], expected.std) > 5e-16L));
    }
  }
}

TEST_CASE("standardizer: none keeps byte / 255") {
  const ImageSet set = random_set(3, 5);
  const auto standardizer = Standardizer::fit(set, Scope::none);
  CHECK(standardizer.mean()[4] == 0);
  CHECK(standardizer.std()[4] == 1);
  std::vector<double> out(5);
  standardizer.apply<double>(set.image(2), out);
  for (std::size_t j = 0; j < 5; ++j) {
    CHECK(!(relative_error(out[j], set.image(2)[j] / 255.0L) > 3e-16L));
  }
}

TEMPLATE_TEST_CASE("standardizer: several images are what each is alone", "", float, double) {
  using T = TestType;
  for (const Index features : {1, 7, 48, 201}) {
    const ImageSet set = random_set(11, features);
    const auto standardizer = Standardizer::fit(set);
    for (std::size_t count = 0; count <= 11; ++count) {
      CAPTURE(features, count);
      std::vector<std::span<const std::uint8_t>> images;
      std::vector<T> alone;
      for (std::size_t i = 0; i < count; ++i) {
        images.push_back(set.image(static_cast<Index>(7 * i % 11)));
        std::vector<T> one(static_cast<std::size_t>(features));
        standardizer.apply<T>(images.back(), one);
        alone.insert(alone.end(), one.begin(), one.end());
      }
      std::vector<T> together(alone.size());
      standardizer.apply<T>(images, together);
      CHECK(together == alone);
      if (count > 1) {
        std::swap(images[0], images[count - 1]);
        standardizer.apply<T>(images, together);
        CHECK_FALSE(together == alone);
      }
      together.push_back(0);
      CHECK_THROWS_AS(standardizer.apply<T>(images, together), DataError);
    }
  }
}

TEST_CASE("standardizer: decoding agrees with the two-step formula") {
  const ImageSet set = random_set(40, 30);
  for (const Scope scope : {Scope::per_pixel, Scope::per_channel, Scope::global, Scope::none}) {
    CAPTURE(data::to_string(scope));
    const auto standardizer = Standardizer::fit(set, scope);
    CHECK(!(decoding_error<double>(set, standardizer) > 1e-15L));
    CHECK(!(decoding_error<float>(set, standardizer) > 3e-7L));
  }
}

TEST_CASE("standardizer: the training set gets mean 0 and std 1") {
  const ImageSet set = random_set(64, 6);
  const auto standardizer = Standardizer::fit(set);
  std::vector<double> sum(6), squares(6), out(6);
  for (Index i = 0; i < set.size(); ++i) {
    standardizer.apply<double>(set.image(i), out);
    for (std::size_t j = 0; j < 6; ++j) {
      sum[j] += out[j];
      squares[j] += out[j] * out[j];
    }
  }
  for (std::size_t j = 0; j < 6; ++j) {
    CHECK(!(std::abs(sum[j] / 64) > 1e-15));
    CHECK(!(std::abs(squares[j] / 64 - 1) > 1e-14));
  }
}

TEST_CASE("standardizer: the order of the images does not matter") {
  const ImageSet set = random_set(50, 12);
  ImageSet reversed(50, 12);
  for (Index i = 0; i < 50; ++i) {
    std::copy_n(set.image(i).begin(), 12, reversed.image(49 - i).begin());
  }
  const auto a = Standardizer::fit(set);
  const auto b = Standardizer::fit(reversed);
  CHECK(std::equal(a.mean().begin(), a.mean().end(), b.mean().begin()));
  CHECK(std::equal(a.std().begin(), a.std().end(), b.std().begin()));
}

TEST_CASE("standardizer: sums are exact beyond 32 bits") {
  // 70,000 x 255^2 needs 33 bits; one image differs, and a rounded sum would lose it.
  ImageSet set(70'000, 3);
  std::fill(set.pixels.begin(), set.pixels.end(), std::uint8_t{255});
  set.image(69'999)[1] = 254;
  const auto standardizer = Standardizer::fit(set);
  const long double n = 70'000;
  CHECK(standardizer.mean()[0] == 1);
  CHECK(standardizer.std()[0] == 1);
  CHECK(!(relative_error(standardizer.mean()[1], 1 - 1 / (255 * n)) > 3e-16L));
  CHECK(!(relative_error(standardizer.std()[1], std::sqrt(n - 1) / (255 * n)) > 3e-16L));
}

TEST_CASE("standardizer: a pixel that never varies gets std 1") {
  ImageSet set = random_set(9, 4);
  for (Index i = 0; i < 9; ++i) set.image(i)[2] = 51;
  const auto standardizer = Standardizer::fit(set);
  CHECK(standardizer.std()[2] == 1);
  std::vector<float> out(4);
  standardizer.apply<float>(set.image(0), out);
  CHECK(!(std::abs(out[2]) > 1e-7f));
}

TEST_CASE("standardizer: the statistics of another give the same bits") {
  const ImageSet set = random_set(20, 12);
  const auto fitted = Standardizer::fit(set);
  const Standardizer copy({fitted.mean().begin(), fitted.mean().end()},
                          {fitted.std().begin(), fitted.std().end()});
  std::vector<double> a(12), b(12);
  fitted.apply<double>(set.image(7), a);
  copy.apply<double>(set.image(7), b);
  CHECK(a == b);
}

TEST_CASE("standardizer: names of scopes") {
  CHECK(data::parse_scope("pixel") == Scope::per_pixel);
  CHECK(data::parse_scope("channel") == Scope::per_channel);
  for (const Scope scope : {Scope::per_pixel, Scope::per_channel, Scope::global, Scope::none}) {
    CHECK(data::parse_scope(data::to_string(scope)) == scope);
  }
  CHECK_THROWS_WITH(data::parse_scope("Pixel"),
                    "standardizer: unknown scope \"Pixel\": use per-pixel, per-channel, global or "
                    "none");
}

TEST_CASE("standardizer: what cannot be standardised is refused") {
  CHECK_THROWS_WITH(Standardizer::fit(ImageSet()), "standardizer: the image set is empty");
  CHECK_THROWS_WITH(Standardizer::fit(random_set(2, 4), Scope::per_channel),
                    "standardizer: per-channel statistics need three equal channels, not 4 bytes "
                    "per image");
  CHECK_THROWS_AS(Standardizer({0.0}, {0.0}), DataError);
  CHECK_THROWS_AS(Standardizer({0.0}, {1.0, 1.0}), DataError);
  CHECK_THROWS_AS(Standardizer({0.0}, {std::numeric_limits<double>::quiet_NaN()}), DataError);
  CHECK_THROWS_AS(Standardizer({std::numeric_limits<double>::infinity()}, {1.0}), DataError);
  CHECK_THROWS_AS(Standardizer({0.5}, {1e-41}), DataError);  // 1 / std exceeds a float
  CHECK_THROWS_AS(Standardizer({1e38}, {0.1}), DataError);
  CHECK_NOTHROW(Standardizer({0.5}, {1e-38}));
  const auto standardizer = Standardizer::fit(random_set(2, 4));
  std::vector<float> out(3);
  CHECK_THROWS_AS(standardizer.apply<float>(random_set(1, 4).image(0), out), DataError);
}

TEST_CASE("standardizer: sums beyond 64 bits are exact") {
  data::ImageSet set(12'000);  // n^2 variance is above 2^64
  for (Index i = 0; i < set.size(); ++i) {
    std::ranges::fill(set.image(i), static_cast<std::uint8_t>(i % 2 == 0 ? 255 : 0));
  }
  const auto standardizer = data::Standardizer::fit(set, data::Scope::global);
  CHECK(std::abs(standardizer.std()[0] - 0.5) < 1e-12);
}

TEST_CASE("standardizer: an infinite deviation is refused") {
  CHECK_THROWS_AS(data::Standardizer({0.0}, {INFINITY}), DataError);
}
