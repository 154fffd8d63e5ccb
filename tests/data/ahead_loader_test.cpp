#include "data/ahead_loader.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "data/synthetic.h"
#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/tensor/product_tables.h"

using namespace tapegrad;
using data::AheadLoader;
using data::Loader;
using data::Order;

namespace {

bool equal(const data::Batch<float>& a, const data::Batch<float>& b) {
  return std::equal(a.x.begin(), a.x.end(), b.x.begin(), b.x.end()) &&
         std::equal(a.y.begin(), a.y.end(), b.y.begin(), b.y.end());
}

}  // namespace

TEST_CASE("ahead loader: hands out what the plain loader does, bit for bit") {
  const data::ImageSet set = data::synthetic_images(50, 1);
  const auto standardizer = data::Standardizer::fit(set);
  for (const Order order : {Order::shuffled, Order::sequential}) {
    const data::Augment augment{.flip = order == Order::shuffled, .max_shift = 2};
    Loader<float> plain(set, standardizer, 12, Rng(3), order, augment);
    AheadLoader<float> ahead(set, standardizer, 12, Rng(3), order, augment);
    CHECK(ahead.batches_per_epoch() == 4);
    CHECK(ahead.batch_size() == 12);
    for (Index i = 0; i < 11; ++i) {
      CHECK(ahead.position() == i);
      const auto expected = plain.next();
      CHECK(equal(ahead.next(), expected));
    }
    for (const Index position : {7, 0, 6, 7}) {
      plain.seek(position);
      ahead.seek(position);
      for (Index i = 0; i < 3; ++i) {
        const auto expected = plain.next();
        CHECK(equal(ahead.next(), expected));
      }
    }
  }
}

TEST_CASE("ahead loader: gathers the same while the threads work on other things") {
  const data::ImageSet set = data::synthetic_images(400, 1);
  const auto standardizer = data::Standardizer::fit(set);
  const test::Threads threads(3);
  Loader<float> plain(set, standardizer, 100, Rng(3));
  AheadLoader<float> ahead(set, standardizer, 100, Rng(3));
  const Tensor<float> w({50, 3072}, 0.01F);
  Tensor<float> h({100, 50}), expected_h({100, 50});
  for (Index i = 0; i < 40; ++i) {
    const auto expected = plain.next();
    const auto batch = ahead.next();
    CHECK(equal(batch, expected));
    kernels::gemm<float>(kernels::Op::none, kernels::Op::transpose, batch.x, w, h.view());
    kernels::gemm<float>(kernels::Op::none, kernels::Op::transpose, expected.x, w,
                         expected_h.view());
    CHECK(h == expected_h);
  }
}

TEST_CASE("ahead loader: gathers the same while the number of threads changes") {
  const data::ImageSet set = data::synthetic_images(200, 1);
  const auto standardizer = data::Standardizer::fit(set);
  Loader<float> plain(set, standardizer, 40, Rng(3));
  AheadLoader<float> ahead(set, standardizer, 40, Rng(3));
  for (Index i = 0; i < 60; ++i) {
    const test::Threads threads(i / 3 % 2 == 0 ? 1 : 3);
    if (i % 7 == 6) {
      plain.seek(i / 2);
      ahead.seek(i / 2);
    }
    const auto expected = plain.next();
    CHECK(equal(ahead.next(), expected));
  }
}

TEST_CASE("ahead loader: a batch stays as it is until the next one is asked for") {
  const data::ImageSet set = data::synthetic_images(400, 1);
  const auto standardizer = data::Standardizer::fit(set);
  AheadLoader<float> ahead(set, standardizer, 100, Rng(3));
  for (Index i = 0; i < 20; ++i) {
    const auto batch = ahead.next();
    const Tensor<float> copy(batch.x);
    // Long enough for the other thread to have gathered the following batch.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(std::equal(copy.begin(), copy.end(), batch.x.begin()));
  }
}

TEST_CASE("ahead loader: refuses what the plain loader refuses, and can go on") {
  const data::ImageSet set = data::synthetic_images(50, 1);
  const auto standardizer = data::Standardizer::fit(set);
  CHECK_THROWS_AS(AheadLoader<float>(set, standardizer, 51, Rng(1)), DataError);
  AheadLoader<float> ahead(set, standardizer, 10, Rng(1));
  ahead.next();
  CHECK_THROWS_AS(ahead.seek(-1), DataError);
  CHECK(ahead.position() == 1);
  CHECK(ahead.next().y.size() == 10);
  CHECK(ahead.position() == 2);
}

TEST_CASE("ahead loader: waits for a batch that its thread is at") {
  const data::ImageSet set = data::synthetic_images(3000, 1);
  const auto standardizer = data::Standardizer::fit(set);
  const data::Augment augment{.flip = true, .max_shift = 4};
  Loader<float> plain(set, standardizer, 3000, Rng(3), Order::shuffled, augment);
  AheadLoader<float> ahead(set, standardizer, 3000, Rng(3), Order::shuffled, augment);
  for (Index i = 0; i < 5; ++i) {
    // Long enough for the thread to have begun, not to have ended.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ahead.next();
  }
  plain.seek(5);
  CHECK(equal(ahead.next(), plain.next()));
}

TEST_CASE("ahead loader: what fails is thrown each time, and it can go on") {
  const data::ImageSet whole = data::synthetic_images(50, 1);
  const auto standardizer = data::Standardizer::fit(whole);
  const test::Threads threads(2);  // the caller alone reads the images, so they may change
  data::ImageSet set = whole;
  Loader<float> plain(whole, standardizer, 10, Rng(3));
  AheadLoader<float> ahead(set, standardizer, 10, Rng(3));
  CHECK(equal(ahead.next(), plain.next()));
  set = data::ImageSet(49);
  set.labels.assign(49, 0);
  CHECK_THROWS_AS(ahead.next(), DataError);
  CHECK_THROWS_AS(ahead.next(), DataError);
  CHECK(ahead.position() == 1);
  ahead.seek(3);
  CHECK_THROWS_AS(ahead.next(), DataError);
  set = whole;
  ahead.seek(1);
  for (Index i = 0; i < 6; ++i) CHECK(equal(ahead.next(), plain.next()));
}
