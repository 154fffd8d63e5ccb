#include "examples/support/training_run.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "data/synthetic.h"
#include "examples/replication/experiments.h"
#include "optim/history.h"
#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

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

TEST_CASE(
    "training together: when all have diverged, it is over at once, and not while one is left") {
  auto some = plans();
  for (TrainingPlan& plan : some) plan.steps = 1'000'000'000'000;
  Index steps = 0;
  struct Enough {};
  const auto count = [&] {
    if (++steps == 1000) throw Enough();
  };
  for (std::size_t i = 1; i < some.size(); ++i) some[i].lr_min = some[i].lr_max = 1e30;
  CHECK_THROWS_AS(train_together(some, few_images(), count), Enough);
  some[0].lr_min = some[0].lr_max = 1e30;
  steps = 0;
  for (const auto& run : train_together(some, few_images(), count)) CHECK_FALSE(run.has_value());
  CHECK(steps < 20);
}

TEST_CASE("training together: plans with other batches are refused") {
  const Dataset images = few_images();
  CHECK(train_together({}, images).empty());
  auto some = plans();
  some[2].seed = 2;
  CHECK_THROWS_AS(train_together(some, images), OptionError);
}

TEST_CASE("keeping: interrupted at different steps, trainings go on together to the same runs") {
  const Dataset images = few_images();
  const test::TemporaryFolder folder;
  const Keeping first{folder.path(), 3, false, "images"};
  // The first training ends after its steps, the second after 5, the third was never begun.
  train(plans()[0], images, {}, first);
  Index steps = 0;
  struct Killed {};
  const auto kill = [&] {
    if (++steps == 5) throw Killed();
  };
  CHECK_THROWS_AS(train(plans()[1], images, kill, first), Killed);

  Index made = 0;
  const Keeping again{folder.path(), 3, true, "images"};
  const auto together = train_together(
      plans(), images, [&] { ++made; }, again);
  CHECK(made == 0 + (8 - 3) + 8);
  for (std::size_t i = 0; i < together.size(); ++i) {
    REQUIRE(together[i].has_value());
    CHECK((text_of(*together[i]) == text_of(train(plans()[i], images))));
  }
  CHECK(together[0]->steps_before == 8);
  CHECK(together[1]->steps_before == 3);
  CHECK(together[2]->steps_before == 0);
  // Other images are another training.
  made = 0;
  train(plans()[0], images, [&] { ++made; }, {folder.path(), 3, true, "others"});
  CHECK(made == 8);
}

TEST_CASE("keeping: every plan of the reports has a folder of its own") {
  const Keeping keeping{"kept"};
  std::map<TrainingPlan, std::filesystem::path> folders;
  for (const Experiment& e : all_experiments()) {
    for (const std::uint64_t seed : {1U, 2U}) {
      for (const TrainingPlan& plan : {correct_plan(e, seed), explained_plan(e, seed)}) {
        folders[plan] = keeping.of(plan);
      }
    }
  }
  std::set<std::filesystem::path> different;
  for (const auto& [plan, path] : folders) different.insert(path);
  CHECK(different.size() == folders.size());
  CHECK(folders.size() > 100);
}

TEST_CASE("keeping: plans that differ anywhere are described differently") {
  std::set<std::string> texts{describe({})};
  const auto changed = [&](auto member, auto value) {
    TrainingPlan plan;
    plan.*member = value;
    return texts.insert(describe(plan)).second;
  };
  using P = TrainingPlan;
  CHECK(changed(&P::split, Split::all));
  CHECK(changed(&P::images, 7));
  CHECK(changed(&P::scope, data::Scope::none));
  CHECK(changed(&P::hidden, 7));
  CHECK(changed(&P::init_std, 0.5));
  CHECK(changed(&P::loss, "hinge"));
  CHECK(changed(&P::lambda, 1e-300));
  CHECK(changed(&P::penalty_gradient, PenaltyGradient::half));
  CHECK(changed(&P::lr_min, 0.5));
  CHECK(changed(&P::lr_max, 0.1 + 1e-16));
  CHECK(changed(&P::half_cycle, 7));
  CHECK(changed(&P::steps, 7));
  CHECK(changed(&P::batch_size, 7));
  CHECK(changed(&P::order, data::Order::sequential));
  CHECK(changed(&P::measurements, 7));
  CHECK(changed(&P::measure_train, true));
  CHECK(changed(&P::train_at_end, true));
  CHECK(changed(&P::test_at_end, false));
  CHECK(changed(&P::seed, 7U));
  CHECK_FALSE(changed(&P::seed, 1U));
}
