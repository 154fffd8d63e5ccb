// lambda_search as a user meets it: killed, resumed, with several jobs.
#include <map>

#include "examples/support/dataset.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/examples/program.h"

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using tapegrad::test::command_of;
using tapegrad::test::contents;
using tapegrad::test::Result;
using tapegrad::test::run;
using tapegrad::test::run_command;
using tapegrad::test::TemporaryFolder;

const std::string on_few_images =
    "lambda_search --quiet --synthetic --train-batches 1 --validation 200 --points 3 "
    "--half-cycle 4 ";
const std::string small_search =
    on_few_images + "--fine-points 2 --fine-cycles 1 --cycles 2 --final-cycles 1 ";

std::map<std::string, std::string> tables(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const char* name : {"coarse.csv", "fine.csv", "history.csv"}) {
    all[name] = contents(folder / name);
  }
  return all;
}

}  // namespace

TEST_CASE("lambda_search: the tables do not depend on the number of jobs") {
  const TemporaryFolder folder;
  for (const char* jobs : {"1", "4"}) {
    const Result result =
        run(folder.path(), small_search + "--seeds 2 --out " + jobs + " --jobs " + jobs);
    CAPTURE(result.output);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.output, Contains("coarse search"));
    CHECK_THAT(result.output, Contains("final training"));
  }
  CHECK(tables(folder.path() / "1") == tables(folder.path() / "4"));
  CHECK(contents(folder.path() / "1/coarse.csv").size() > 100);
  CHECK_FALSE(fs::exists(folder.path() / "1/coarse.journal"));
}

TEST_CASE("lambda_search: killed at any moment and resumed, it gives the same tables") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), small_search + "--out whole").exit_code == 0);
  for (const char* seconds : {"0.3", "0.9", "2.0"}) {
    const std::string out = std::string("--out killed") + seconds;
    const fs::path path = folder.path() / (std::string("killed") + seconds);
    const Result killed = run_command(folder.path(), fmt::format("timeout -s KILL {} {}", seconds,
                                                                 command_of(small_search + out)));
    const Result resumed = run(folder.path(), small_search + out + " --resume");
    CAPTURE(seconds, killed.output, resumed.output);
    REQUIRE(resumed.exit_code == 0);
    CHECK(tables(path) == tables(folder.path() / "whole"));
    CHECK_FALSE(fs::exists(path / "coarse.journal"));
    CHECK_FALSE(fs::exists(path / "fine.journal"));
  }
}

TEST_CASE("lambda_search: an unfinished search is neither lost nor mixed with another") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "out");
  std::ofstream(folder.path() / "out/coarse.journal") << "tapegrad journal of something else\n";
  const Result anew = run(folder.path(), small_search + "--out out");
  CHECK(anew.exit_code == 2);
  CHECK_THAT(anew.output, Contains("an unfinished search is kept in out/coarse.journal: --resume "
                                   "goes on with it; remove that to start anew"));
  fs::rename(folder.path() / "out/coarse.journal", folder.path() / "out/fine.journal");
  const Result fine = run(folder.path(), small_search + "--out out");
  CHECK(fine.exit_code == 2);
  CHECK_THAT(fine.output, Contains("fine.journal") && !Contains("coarse search"));
  const Result alone = run(folder.path(), small_search + "--out out --resume");
  CHECK(alone.exit_code == 2);
  CHECK_THAT(alone.output, Contains("whose coarse one is not there"));
  fs::copy(folder.path() / "out/fine.journal", folder.path() / "out/coarse.journal");
  const Result none = run(folder.path(), on_few_images + "--out out --resume --fine-points 0");
  CHECK(none.exit_code == 2);
  CHECK_THAT(none.output, Contains("which --fine-points 0 would not go on with"));
  fs::remove(folder.path() / "out/fine.journal");
  const Result other = run(folder.path(), small_search + "--out out --resume");
  CHECK(other.exit_code == 1);
  CHECK_THAT(other.output, Contains("this journal belongs to other settings"));
}

TEST_CASE("lambda_search: when every training diverges it says so") {
  const TemporaryFolder folder;
  const Result result =
      run(folder.path(), on_few_images + "--low 1e5 --high 1e6 --cycles 4 --out out");
  CAPTURE(result.output);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.output, Contains("every training of the coarse search diverged"));
}

TEST_CASE("lambda_search: a journal that was edited is refused, one that holds is used") {
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "out/coarse.journal";
  // Killed as soon as a first training is finished.
  run_command(folder.path(),
              fmt::format("({} & pid=$!; while [ ! -s out/coarse.journal ] && kill -0 $pid "
                          "2>/dev/null; do sleep 0.01; done; kill -KILL $pid; wait $pid) "
                          "2>/dev/null",
                          command_of(on_few_images + "--jobs 1 --out out")));
  REQUIRE(fs::exists(journal));
  const std::string whole = contents(journal);
  tapegrad::examples::DatasetOptions same;
  same.synthetic = true;
  same.validation = 200;
  CHECK_THAT(whole,
             Contains(tapegrad::examples::mark(tapegrad::examples::load_dataset(same).train)));
  const std::string damaged = whole.substr(0, whole.rfind(" 0.")) + " 7\n";
  std::ofstream(journal) << damaged;
  const Result refused = run(folder.path(), on_few_images + "--out out --resume");
  CAPTURE(whole, damaged, refused.output);
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.output, Contains("damaged: its last line is not the checksum"));
  std::ofstream(journal) << whole;
  const Result resumed = run(folder.path(), on_few_images + "--out out --resume");
  CHECK(resumed.exit_code == 0);
  CHECK_THAT(resumed.output, Contains("coarse search: "));
  CHECK_THAT(resumed.output, Contains("trainings finished before: "));
}

TEST_CASE("lambda_search: random sampling, successive halving and no final training") {
  const TemporaryFolder folder;
  const Result result = run(folder.path(), on_few_images +
                                               "--sampling random --cycles 4 --halving 2 "
                                               "--fine-points 0 --final-cycles 0 --out out");
  CAPTURE(result.output);
  REQUIRE(result.exit_code == 0);
  const std::string table = contents(folder.path() / "out/coarse.csv");
  CHECK_THAT(table, Contains(",4,"));
  CHECK_THAT(table, Contains(",1,"));
  CHECK_THAT(result.output, Contains("best lambda "));
  CHECK(run(folder.path(), on_few_images + "--halving 3").exit_code == 2);
  CHECK(run(folder.path(), on_few_images + "--low 1 --high 0.1").exit_code == 2);
  CHECK(run(folder.path(), on_few_images + "--low 1 --high 1").exit_code == 2);
  CHECK(run(folder.path(), on_few_images + "--resume --every 10").exit_code == 2);
}

TEST_CASE("lambda_search: the smallest sets are searched to the end") {
  const TemporaryFolder folder;
  const Result result = run(folder.path(),
                            "lambda_search --synthetic --synthetic-images 100 --hidden 5 "
                            "--batch-size 20 --points 2 --fine-points 1 --out out");
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.output, Contains("final training, lambda ") && Contains(" 490 images"));
  // Smaller ones are refused.
  const std::string tiny = "lambda_search --synthetic --out other --synthetic-images ";
  const Result batch = run(folder.path(), tiny + "100 --batch-size 451");
  CAPTURE(batch.output);
  CHECK(batch.exit_code == 2);
  CHECK_THAT(batch.output, Contains("--batch-size 451 with 450 training images"));
  CHECK(run(folder.path(), tiny + "99").exit_code == 2);
}

TEST_CASE("lambda_search: what is kept of one search is nothing to another") {
  const TemporaryFolder folder;
  const std::string kept = on_few_images + "--final-cycles 0 --fine-points 0 --checkpoint kept ";
  REQUIRE(run(folder.path(), kept + "--out first").exit_code == 0);
  for (const char* other : {"--standardize global", "--seed 2", "--hidden 11", "--batch-size 21",
                            "--sequential", "--cycles 3"}) {
    const Result resumed = run(folder.path(), kept + "--out other --resume " + other);
    CAPTURE(other, resumed.output);
    CHECK(resumed.exit_code == 0);
    CHECK_THAT(resumed.output, !Contains("trainings that went on"));
  }
  const Result same = run(folder.path(), kept + "--out same --resume");
  CHECK_THAT(same.output, Contains("trainings that went on"));
  CHECK(contents(folder.path() / "same/coarse.csv") ==
        contents(folder.path() / "first/coarse.csv"));
}

TEST_CASE("lambda_search: an earlier search's fine table is not left beside a coarse one") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), small_search + "--out out").exit_code == 0);
  CHECK(fs::exists(folder.path() / "out/fine.csv"));
  REQUIRE(
      run(folder.path(), on_few_images + "--cycles 1 --fine-points 0 --final-cycles 0 --out out")
          .exit_code == 0);
  CHECK_FALSE(fs::exists(folder.path() / "out/fine.csv"));
  CHECK(fs::exists(folder.path() / "out/coarse.csv"));
  CHECK(fs::exists(folder.path() / "out/weights.safetensors"));
}
