#include "data/lint.h"

#include <string>
#include <vector>

#include "data/synthetic.h"
#include "tests/catch.h"

using namespace tapegrad;
using data::ImageSet;
using data::Scope;
using data::Standardizer;

namespace {

using Findings = std::vector<std::string>;

bool mentions(const Findings& findings, const std::string& text) {
  return findings.size() == 1 && findings.front().find(text) != std::string::npos;
}

// Sets of different images, and the right standardizer.
struct Sets {
  ImageSet train = data::synthetic_images(300, 1);
  ImageSet validation = data::synthetic_images(100, 2);
  ImageSet test = data::synthetic_images(100, 3);

  Findings lint(const Standardizer& standardizer, Scope scope = Scope::per_pixel) const {
    return data::lint(train, validation, test, standardizer, scope);
  }
  Findings lint() const { return lint(Standardizer::fit(train)); }
};

}  // namespace

TEST_CASE("data lint: images of one set that are also in another are counted") {
  const ImageSet a = data::synthetic_images(200, 1);
  const ImageSet b = data::synthetic_images(50, 2);
  CHECK(data::shared_images(a, b) == 0);
  CHECK(data::shared_images(a, a.last(30)) == 30);
  CHECK(data::shared_images(a.last(30), a) == 30);
  CHECK(data::shared_images(a, concat(b, a.slice(7, 10))) == 3);
  CHECK(data::shared_images(a, ImageSet()) == 0);
  CHECK(data::shared_images(ImageSet(), a) == 0);
  CHECK(data::shared_images(a, ImageSet(3, 12)) == 0);
}

TEST_CASE("data lint: an image that occurs twice counts as often as it is in the second set") {
  const ImageSet a = data::synthetic_images(20, 1);
  CHECK(data::shared_images(a, concat(a.first(1), a.first(1))) == 2);
  CHECK(data::shared_images(concat(a.first(1), a.first(1)), a) == 1);
}

TEST_CASE("data lint: labels do not matter, and one differing bit is another image") {
  const ImageSet a = data::synthetic_images(20, 1);
  ImageSet b = a;
  b.labels.assign(20, 9);
  CHECK(data::shared_images(a, b) == 20);
  b.image(4)[3071] = static_cast<std::uint8_t>(b.image(4)[3071] ^ 1);
  CHECK(data::shared_images(a, b) == 19);
}

TEST_CASE("data lint: whether the statistics are a set's own") {
  const ImageSet set = data::synthetic_images(100, 1);
  for (const Scope scope : {Scope::per_pixel, Scope::per_channel, Scope::global, Scope::none}) {
    CHECK(data::fitted_on(Standardizer::fit(set, scope), set, scope));
  }
  const auto standardizer = Standardizer::fit(set);
  CHECK_FALSE(data::fitted_on(standardizer, set.first(99), Scope::per_pixel));
  CHECK_FALSE(data::fitted_on(standardizer, set, Scope::per_channel));
  CHECK_FALSE(data::fitted_on(standardizer, set, Scope::none));
  CHECK_FALSE(data::fitted_on(Standardizer({0.5}, {1.0}), set, Scope::per_pixel));

  std::vector<double> mean(standardizer.mean().begin(), standardizer.mean().end());
  std::vector<double> std(standardizer.std().begin(), standardizer.std().end());
  CHECK(data::fitted_on(Standardizer(mean, std), set, Scope::per_pixel));
  CHECK_FALSE(
      data::fitted_on(Standardizer(mean, std::vector<double>(3072, 1.0)), set, Scope::per_pixel));
  CHECK_FALSE(
      data::fitted_on(Standardizer(std::vector<double>(3072, 0.0), std), set, Scope::per_pixel));
}

TEST_CASE("data lint: nothing to say about separate sets and the training set's statistics") {
  const Sets sets;
  for (const Scope scope : {Scope::per_pixel, Scope::per_channel, Scope::global, Scope::none}) {
    CHECK(sets.lint(Standardizer::fit(sets.train, scope), scope).empty());
  }
}

TEST_CASE("data lint: every kind of overlap is named, with its numbers") {
  Sets validation;
  validation.validation.append(validation.train.last(12));
  CHECK(mentions(validation.lint(), "12 of 112 validation images are also training images"));
  Sets test;
  test.test.append(test.train.first(3));
  CHECK(mentions(test.lint(), "3 of 103 test images are also training images"));
  Sets both;
  both.test.append(both.validation.first(5));
  CHECK(mentions(both.lint(), "5 of 105 test images are also validation images"));
}

TEST_CASE("data lint: one duplicate in a thousand is a data set's own") {
  Sets sets;
  sets.test = data::synthetic_images(999, 3);
  sets.test.append(sets.train.first(1));
  CHECK(sets.lint().empty());
  sets.test = data::synthetic_images(998, 3);
  sets.test.append(sets.train.first(1));
  CHECK(mentions(sets.lint(), "1 of 999 test images"));
}

TEST_CASE("data lint: statistics of other images, or of another scope, are noticed") {
  const Sets sets;
  const char* text = "mean and std are not those of the training images";
  CHECK(mentions(sets.lint(Standardizer::fit(concat(sets.train, sets.validation))), text));
  CHECK(mentions(sets.lint(Standardizer::fit(sets.test)), text));
  CHECK(mentions(sets.lint(Standardizer::fit(sets.train, Scope::global)), text));
}
