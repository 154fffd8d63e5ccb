// The reports' experiments, the bands of noise and the verdicts.
#include <cmath>
#include <set>

#include "examples/replication/tables.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

constexpr Experiment made_up{.report = "003",
                             .section = "search",
                             .lambda = 0.1,
                             .training = {},
                             .published = {.test = ".45"},
                             .key = true};

const char* two_bands =
    "figure,method,seed 1,seed 2,seed 3,seed 4,seed 5\n"
    "003/search/0.1/test accuracy,correct,.50,.51,.52,.51,.51\n"
    "003/search/0.1/test accuracy,explained,.449,.451,.453,.451,.451\n";

Comparison compare(std::string_view published, double correct) {
  const Figure figure{&made_up, Quantity::test, published};
  const Bands bands = Bands::parse(two_bands);
  return {figure, correct, 0.45, bands.find(figure, Method::correct),
          bands.find(figure, Method::explained)};
}

}  // namespace

TEST_CASE("replication: every report's published figures are in the table") {
  // As printed in the reports; 001 has four test accuracies, 003 three figures a training.
  const std::map<std::string_view, Index> expected{
      {"000", 33}, {"001", 4}, {"002", 17}, {"003", 45}, {"004", 14}};
  std::map<std::string_view, Index> found;
  std::set<std::string> names;
  for (const Experiment& e : all_experiments()) {
    for (const Figure& f : figures_of(e)) {
      CHECK(names.insert(f.name()).second);
      found[e.report] += !f.published.empty();
    }
  }
  CHECK(found == expected);
}

TEST_CASE("replication: explanations change what they say and nothing else") {
  for (const Experiment& e : all_experiments()) {
    TrainingPlan explained = explained_plan(e, 3);
    const TrainingPlan correct = correct_plan(e, 3);
    CHECK(correct.penalty_gradient == PenaltyGradient::full);
    CHECK(correct.order == data::Order::shuffled);
    CHECK(explained != correct);
    explained.penalty_gradient = correct.penalty_gradient;
    explained.order = correct.order;
    explained.init_std = correct.init_std;
    explained.scope = correct.scope;
    CHECK(explained == correct);
  }
}

TEST_CASE("replication: equal trainings of several reports have equal plans") {
  std::set<TrainingPlan> first_cycles;
  Index count = 0;
  for (const Experiment& e : all_experiments()) {
    if (e.section != "one cycle") continue;
    ++count;
    TrainingPlan plan = correct_plan(e, 1);
    plan.train_at_end = false;  // 003 prints the training accuracy too
    first_cycles.insert(plan);
  }
  CHECK(count == 4);
  CHECK(first_cycles.size() == 1);
}

TEST_CASE("replication: a band is mean and standard deviation of the seeds") {
  const Comparison c = compare(".45", 0.51);
  REQUIRE(c.correct_band.has_value());
  CHECK(c.correct_band->seeds == 5);
  CHECK(std::abs(c.correct_band->mean - 0.51) < 1e-12);
  CHECK(std::abs(c.correct_band->sigma - std::sqrt(2e-4 / 4)) < 1e-12);
}

TEST_CASE("replication: verdicts") {
  CHECK(compare(".45", 0.51).verdict() == "explained");
  CHECK(compare(".509", 0.51).verdict() == "agrees");
  CHECK(compare(".4731", 0.51).verdict() == "unexplained");
  CHECK(compare("", 0.51).verdict().empty());
  // To the digits printed: .47 may be .475, which is just out of the band's .489 on one side ...
  CHECK(compare(".48", 0.51).verdict() == "unexplained");
  // ... and .49 is in it.
  CHECK(compare(".49", 0.51).verdict() == "agrees");
  CHECK(compare(".45", 0.51).in_band());
  CHECK_FALSE(compare(".45", 0.54).in_band());
  CHECK(compare(".45", 0.54).explained_in_band());
  CHECK_FALSE(compare(".45", std::nan("")).in_band());
}

TEST_CASE("replication: a band is as wide as its mean is uncertain") {
  const Band band{.mean = 0.5, .sigma = 0.01, .seeds = 4};
  CHECK(band.holds(0.5 + 0.0335));  // 3 sigma (1 + 1/4)^(1/2) = .03354
  CHECK_FALSE(band.holds(0.5 + 0.0336));
}

TEST_CASE("replication: sigma is pooled over figures of one kind, and only those") {
  // One cycle's test accuracies of two reports are of one kind, the linear ones are not.
  const Bands bands = Bands::parse(
      "h\n000/one cycle/0.01/test accuracy,correct,.50,.50,.50,.50,.50\n"
      "002/one cycle/0.01/test accuracy,correct,.50,.52,.54,.52,.52\n"
      "001/rate .001/0.1/test accuracy,correct,.39,.39,.39,.39,.391\n"
      "001/rate .1/0/test accuracy,correct,.2,.3,.25,.25,.25\n");
  const auto sigma = [&](std::string_view name) {
    for (const Experiment& e : all_experiments()) {
      for (const Figure& f : figures_of(e)) {
        if (f.name() == name) return bands.find(f, Method::correct)->sigma;
      }
    }
    return -1.0;
  };
  const double own = std::sqrt(2 * 0.02 * 0.02 / 4);
  CHECK(std::abs(sigma("002/one cycle/0.01/test accuracy") - own) < 1e-12);
  CHECK(std::abs(sigma("000/one cycle/0.01/test accuracy") - own / std::sqrt(2.0)) < 1e-12);
  CHECK(sigma("001/rate .001/0.1/test accuracy") < 0.001);
}

TEST_CASE("replication: the noise of a search's validation contains the choice of its images") {
  const Band band{.mean = 0.5, .sigma = 0.003, .seeds = 8};
  for (const Experiment& e : all_experiments()) {
    for (const Figure& f : figures_of(e)) {
      const bool validation =
          f.quantity == Quantity::validation || f.quantity == Quantity::best_validation;
      const double n = e.training.split == Split::search ? 5000 : 1000;
      const double expected = validation && e.training.split != Split::small
                                  ? std::sqrt(0.003 * 0.003 + 0.25 / n)
                                  : 0.003;
      CHECK(std::abs(published_sigma(f, band) - expected) < 1e-12);
    }
  }
}

TEST_CASE("replication: the cost rises when it ends a later cycle above the first one's end") {
  TrainingRun run;
  run.plan.half_cycle = 50;
  for (const Index step : {0, 50, 100, 150, 200, 250, 300}) {
    run.history.push_back(
        {.step = step, .train = {.loss = step == 0 ? 9.0 : 0.01 * static_cast<double>(step)}});
  }
  CHECK(std::abs(value_of(Quantity::cost_rise, run) - 2.0) < 1e-12);
}

TEST_CASE("replication: without a band nothing counts as inside") {
  const Figure figure{&made_up, Quantity::test, ".45"};
  const Comparison c{figure, 0.5, 0.5, std::nullopt, std::nullopt};
  CHECK_FALSE(c.in_band());
  CHECK_FALSE(c.explained_in_band());
  CHECK(c.verdict().empty());
}

TEST_CASE("replication: the tally counts what the verdicts say") {
  const Tally t = tally({compare(".45", 0.51), compare(".509", 0.6), compare(".4731", 0.51)});
  CHECK(t.explained_in_band == 3);
  CHECK(t.published == 3);
  CHECK(t.agree == 1);
  CHECK(t.explained == 1);
  CHECK(t.unexplained == 1);
  CHECK(t.ours == 3);
  CHECK(t.in_band == 2);
  CHECK(t.keys == 3);
  CHECK(t.keys_met == 1);
}

TEST_CASE("replication: published numbers keep the precision they are printed with") {
  CHECK(parse_published(".518").value == 0.518);
  CHECK(std::abs(parse_published(".518").rounding - 0.0005) < 1e-15);
  CHECK(std::abs(parse_published(".45").rounding - 0.005) < 1e-15);
  CHECK_THROWS_AS(parse_published("rises"), FormatError);
}

TEST_CASE("replication: a table of bands that is no such table is refused") {
  CHECK_THROWS_AS(Bands::parse("h\na,correct,1,2,3,4\n"), FormatError);
  CHECK_THROWS_AS(Bands::parse("h\na,wrong,1,2,3,4,5\n"), FormatError);
  CHECK_THROWS_AS(Bands::parse("h\na,correct,1,2,x,4,5\n"), FormatError);
  CHECK_THROWS_AS(Bands::parse("h\na,correct,1,2,nan,4,5\n"), FormatError);
  CHECK_NOTHROW(Bands::parse(""));
}

TEST_CASE("replication: the committed table has a band for every figure, by both methods") {
  for (const Experiment& e : all_experiments()) {
    for (const Figure& f : figures_of(e)) {
      CAPTURE(f.name());
      for (const Method method : {Method::correct, Method::explained}) {
        const auto band = Bands::committed().find(f, method);
        REQUIRE(band.has_value());
        CHECK(band->seeds >= 5);
      }
    }
  }
}

TEST_CASE("replication: the figures as CSV and JSON") {
  const std::string csv = to_csv({compare(".45", 0.51)});
  CHECK(csv.starts_with("report,section,lambda,quantity,published,ours,mean,sigma,in_band,"));
  CHECK(csv.find("\n003,search,0.1,test accuracy,.45,0.51,") != std::string::npos);
  CHECK(csv.find(",explained\n") != std::string::npos);
  CHECK(to_json({compare(".45", 0.51)}).find("\"in_band\": true") != std::string::npos);
}
