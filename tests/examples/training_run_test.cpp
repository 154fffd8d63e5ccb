#include "examples/support/training_run.h"

#include <fmt/format.h>

#include "data/synthetic.h"
#include "optim/history.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

Dataset few_images() {
  data::ImageSet train = data::synthetic_images(300, 1);
  auto standardizer = data::Standardizer::fit(train);
  return {std::move(train),
          data::synthetic_images(100, 2),
          data::synthetic_images(100, 3),
          std::move(standardizer),
          "synthetic",
          {}};
}

std::vector<TrainingPlan> plans() {
  const TrainingPlan plan{.hidden = 10, .half_cycle = 4, .steps = 8, .measurements = 2};
  std::vector<TrainingPlan> all(3, plan);
  all[1].lambda = 0.1;
  all[2].hidden = 7;
  return all;
}

// All that came of a run, as text that reads back exactly, and its weights.
std::string text_of(const TrainingRun& run) {
  std::string text = optim::to_csv(run.history);
  text += fmt::format("{} {}", run.test.loss, run.test.accuracy);
  for (const auto& p : run.network->parameters()) {
    text += fmt::format(" {}", fmt::join(p.parameter->value().span(), " "));
  }
  return text;
}

}  // namespace

TEST_CASE("training together: the runs that each plan gives alone, bit for bit") {
  const Dataset images = few_images();
  Index steps = 0;
  const auto together = train_together(plans(), images, [&] { ++steps; });
  CHECK(steps == 3 * 8);
  REQUIRE(together.size() == 3);
  for (std::size_t i = 0; i < together.size(); ++i) {
    REQUIRE(together[i].has_value());
    CHECK((text_of(*together[i]) == text_of(train(plans()[i], images))));  // not printed: long
  }
  CHECK((text_of(*together[0]) != text_of(*together[1])));
}

TEST_CASE("training together: one that diverges leaves the others as they are") {
  const Dataset images = few_images();
  auto some = plans();
  some[1].lr_min = some[1].lr_max = 1e30;
  const auto together = train_together(some, images);
  CHECK_FALSE(together[1].has_value());
  CHECK_THROWS_AS(train(some[1], images), GradError);
  REQUIRE(together[2].has_value());
  CHECK((text_of(*together[2]) == text_of(train(some[2], images))));
}

TEST_CASE("training together: plans with other batches are refused") {
  const Dataset images = few_images();
  CHECK(train_together({}, images).empty());
  auto some = plans();
  some[2].seed = 2;
  CHECK_THROWS_AS(train_together(some, images), OptionError);
}
