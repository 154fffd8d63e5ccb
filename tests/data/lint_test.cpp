#include "data/lint.h"

#include "data/synthetic.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Contains;
using data::ImageSet;
using data::Scope;
using data::Standardizer;

TEST_CASE("data lint: separate sets with the training set's statistics are fine") {
  const ImageSet all = data::synthetic_images(300, 1);
  const ImageSet train = all.slice(0, 200), validation = all.slice(200, 250), test = all.last(50);
  for (const Scope scope : {Scope::per_pixel, Scope::per_channel, Scope::global, Scope::none}) {
    CHECK(data::lint(train, validation, test, Standardizer::fit(train, scope), scope).empty());
  }
}

TEST_CASE("data lint: images in two sets are noticed") {
  const ImageSet all = data::synthetic_images(300, 1);
  const ImageSet train = all.slice(0, 200), test = all.last(50);
  const ImageSet overlapping = all.slice(190, 240);
  CHECK(data::shared_images(train, overlapping) == 10);
  CHECK(data::shared_images(train, test) == 0);
  CHECK(data::shared_images(train, data::concat(train, train)) == 400);
  const auto findings =
      data::lint(train, overlapping, test, Standardizer::fit(train), Scope::per_pixel);
  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings[0], Contains("10 of 50 validation images are also training images"));
}

TEST_CASE("data lint: a duplicate in ten thousand is no finding") {
  const ImageSet train = data::synthetic_images(50, 1);
  const ImageSet test = data::concat(data::synthetic_images(1500, 2), train.first(1));
  CHECK(data::shared_images(train, test) == 1);
  CHECK(data::lint(train, {}, test, Standardizer::fit(train), Scope::per_pixel).empty());
}

TEST_CASE("data lint: statistics of more than the training images are noticed") {
  const ImageSet all = data::synthetic_images(300, 1);
  const ImageSet train = all.slice(0, 200), validation = all.slice(200, 250), test = all.last(50);
  const auto findings =
      data::lint(train, validation, test, Standardizer::fit(all), Scope::per_pixel);
  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings[0], Contains("not those of the training images"));
  CHECK_FALSE(data::fitted_on(Standardizer::fit(train), train, Scope::global));
}
