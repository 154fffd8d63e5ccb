// The options of the assignments' programs, each once.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/examples/program.h"

namespace {

using Catch::Matchers::Contains;
using tapegrad::test::contents;
using tapegrad::test::Result;
using tapegrad::test::run;
using tapegrad::test::TemporaryFolder;

const std::string on_few_images = "assignment2 --quiet --synthetic-images 1000 --batch-size 50 ";
const std::string quiet_run = on_few_images + "--measure-per-cycle 1 ";
const std::string short_run = quiet_run + "--half-cycle 10 ";
const std::string longer_run = quiet_run + "--half-cycle 50 ";

}  // namespace

TEST_CASE("training programs: every optimizer, schedule and loss trains") {
  const TemporaryFolder folder;
  for (const std::string options :
       {"--optimizer nesterov --lr-max 0.02", "--optimizer adam --lr-max 0.001",
        "--optimizer adagrad --lr-max 0.01 --loss sigmoid",
        "--optimizer rmsprop --lr-max 0.0003 --schedule cosine",
        "--schedule step --lr 0.01 --loss hinge --clip-norm 1",
        "--label-smoothing 0.1 --dropout 0.2 --flip --shift 3",
        "--cycles 2 --peak-decay 0.5 --cycle-growth 2"}) {
    const Result result = run(folder.path(), short_run + options);
    CAPTURE(options, result.output);
    REQUIRE(result.exit_code == 0);
    const auto summary =
        nlohmann::json::parse(contents(folder.path() / "runs/assignment2/summary.json"));
    CHECK(summary["final"]["test"]["accuracy"] > 0.11);
  }
}

TEST_CASE("training programs: ensembles, the best weights, patience and pictures") {
  const TemporaryFolder folder;
  const Result ensemble = run(folder.path(), short_run + "--cycles 3 --ensemble");
  CAPTURE(ensemble.output);
  CHECK(ensemble.exit_code == 0);
  CHECK_THAT(ensemble.output, Contains("3 cycle ends, probabilities averaged"));

  const Result best =
      run(folder.path(), short_run + "--cycles 20 --keep-best --patience 1 --pictures");
  CAPTURE(best.output);
  CHECK(best.exit_code == 0);
  CHECK_THAT(best.output, Contains("the best validation was after step"));
  CHECK_THAT(best.output, !Contains("\n400 steps in"));
  for (const char* file : {"curves.png", "curves.svg", "curves.gp"}) {
    CHECK(std::filesystem::exists(folder.path() / "runs/assignment2" / file));
  }
}

TEST_CASE("training programs: a profile's shares make up the whole") {
  const TemporaryFolder folder;
  const Result result = run(folder.path(), short_run + "--cycles 2 --ensemble --profile");
  CAPTURE(result.output);
  REQUIRE(result.exit_code == 0);
  double sum = 0;
  for (std::size_t at = result.output.find("ms a step"); at != std::string::npos;) {
    const std::size_t sign = result.output.find(" %", at);
    if (sign == std::string::npos) break;
    const double share = std::stod(result.output.substr(sign - 6, 6));
    CHECK(share >= 0);
    sum += share;
    at = sign + 2;
  }
  CHECK(std::abs(sum - 100) < 0.5);
}

TEST_CASE("training programs: an ensemble needs ends of cycles") {
  const TemporaryFolder folder;
  const Result one = run(folder.path(), short_run + "--ensemble");
  CHECK(one.exit_code == 0);
  CHECK_THAT(one.output, Contains("no ensemble: 1 cycle end came by"));
  const Result by_epochs = run(folder.path(), short_run + "--epochs 4 --ensemble");
  CHECK_THAT(by_epochs.output, Contains("4 cycle ends, probabilities averaged"));
}

TEST_CASE("training programs: the range test names two rates and draws them") {
  const TemporaryFolder folder;
  const Result result = run(folder.path(), longer_run + "--range-test --out rates");
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.output, Contains("Learning rates to cycle between: "));
  CHECK_THAT(contents(folder.path() / "rates/range_test.csv"), Contains("lr,loss,accuracy\n"));
  CHECK(std::filesystem::exists(folder.path() / "rates/range_test.png"));
}

TEST_CASE("training programs: the range test takes no option that it would not obey") {
  const TemporaryFolder folder;
  for (const std::string option :
       {"--cycles", "--epochs", "--patience", "--keep-best", "--ensemble", "--profile"}) {
    const bool counted = option == "--cycles" || option == "--epochs" || option == "--patience";
    const Result result =
        run(folder.path(), "assignment2 --range-test " + option + (counted ? " 2" : ""));
    CAPTURE(option, result.output);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.output, Contains("leave " + option + " out"));
  }
}

TEST_CASE("training programs: unusual settings are noted") {
  const TemporaryFolder folder;
  const Result inside = run(folder.path(), on_few_images + "--epochs 3");
  CHECK(inside.exit_code == 0);
  CHECK_THAT(inside.output, Contains("note: 60 steps (3 epochs) end 6 % into cycle 1"));
  CHECK_THAT(inside.output, Contains("note: a half-cycle of 500 steps is 25 epochs"));
  const Result usual = run(folder.path(), on_few_images + "--half-cycle 40 --cycles 1");
  CHECK(usual.exit_code == 0);
  CHECK_THAT(usual.output, !Contains("note:"));
}

TEST_CASE("training programs: dead units are noted after training, and live ones are not") {
  const TemporaryFolder folder;
  const std::string one_cycle = on_few_images + "--half-cycle 40 ";
  const Result dead =
      run(folder.path(), one_cycle + "--optimizer adam --lr-max 10 --lambda 10 --hidden 20");
  CAPTURE(dead.output);
  CHECK(dead.exit_code == 0);
  CHECK_THAT(dead.output, Contains("note: relu behind 0.weight: 20 of 20 units (100 %) are 0 for "
                                   "all of 1000 examples"));
  const Result alive = run(folder.path(), one_cycle + "--hidden 20");
  CHECK(alive.exit_code == 0);
  CHECK_THAT(alive.output, !Contains("units"));
}

TEST_CASE("training programs: --detect-anomaly beside options that it has nothing to do with") {
  const TemporaryFolder folder;
  for (const std::string other : {"--profile", "--range-test"}) {
    const Result result = run(folder.path(), "assignment2 --detect-anomaly " + other);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.output, Contains("assignment2: " + other));
  }
}

TEST_CASE("training programs: assignment1 decays its rate and draws its pictures") {
  const TemporaryFolder folder;
  const Result result =
      run(folder.path(),
          "assignment1 --quiet --lr 0.01 --epochs 3 --decay-every 1 --loss sigmoid --pictures");
  CAPTURE(result.output);
  REQUIRE(result.exit_code == 0);
  const auto out = folder.path() / "runs/assignment1";
  const std::string history = contents(out / "history.csv");
  CHECK_THAT(history, Contains("\n100,1,0.001,"));
  CHECK_THAT(history, Contains("\n200,2,0.0001"));
  for (const char* file : {"curves.png", "weights.png", "true_probabilities.png"}) {
    CHECK(std::filesystem::exists(out / file));
  }
}

TEST_CASE("training programs: options that contradict each other are usage errors") {
  const TemporaryFolder folder;
  for (const std::string options :
       {"--momentum 0.5", "--label-smoothing 0.1 --loss hinge", "--ensemble --keep-best",
        "--dropout 1", "--shift 32", "--optimizer newton", "--range-test --optimizer adam",
        "--epochs 3 --cycles 2", "--ensemble --loss hinge"}) {
    const Result result = run(folder.path(), "assignment2 " + options);
    CAPTURE(options, result.output);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.output, Contains("Run `assignment2 --help` for the options."));
  }
}
