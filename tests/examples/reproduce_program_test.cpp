// reproduce as a user meets it: files, the document in a browser, errors.
#include <map>

#include "examples/replication/figures.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/examples/program.h"

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using tapegrad::test::contents;
using tapegrad::test::Result;
using tapegrad::test::run;
using tapegrad::test::TemporaryFolder;

// Every CSV file of a folder.
std::map<std::string, std::string> tables(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".csv") continue;
    all[fs::relative(entry.path(), folder).string()] = contents(entry.path());
  }
  return all;
}

}  // namespace

TEST_CASE("reproduce: a quick pass leaves a document that a browser likes") {
  const TemporaryFolder folder;
  const Result result = run(folder.path(), "reproduce --quick --out out");
  CAPTURE(result.output);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.output, Contains("ms a step"));
  const auto files = tables(folder.path() / "out");
  CHECK(files.size() > 100);
  CHECK(files.contains("figures.csv"));
  const std::string markdown = contents(folder.path() / "out/report.md");
  for (const char* report :
       {"Report 000", "Report 001", "Report 002", "Report 003", "Report 004"}) {
    CHECK_THAT(markdown, Contains(report));
  }
  const std::string check =
      fmt::format("'{}'/tests/browser/check_page.sh '{}' 2>&1", TAPEGRAD_SOURCE_DIR,
                  (folder.path() / "out/report.html").string());
  CHECK(std::system(check.c_str()) == 0);
}

TEST_CASE("reproduce: the same seed gives the same tables with any number of jobs") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), "reproduce '003/coarse search' --quick --out a --jobs 1").exit_code ==
          0);
  REQUIRE(run(folder.path(), "reproduce '003/coarse search' --quick --out b --jobs 4").exit_code ==
          0);
  REQUIRE(run(folder.path(), "reproduce '003/coarse search' --quick --out c --seed 2").exit_code ==
          0);
  const auto a = tables(folder.path() / "a");
  CHECK(a.size() == 11);
  CHECK(tables(folder.path() / "b") == a);
  CHECK(tables(folder.path() / "c") != a);
}

TEST_CASE("reproduce: writes a table of bands that it can read") {
  const TemporaryFolder folder;
  const Result result =
      run(folder.path(), "reproduce '002/one cycle' --quick --bands bands.csv --seeds 5");
  CAPTURE(result.output);
  REQUIRE(result.exit_code == 0);
  const std::string bands = contents(folder.path() / "bands.csv");
  CHECK_THAT(bands, Contains("figure,method,seed 1001,"));
  CHECK_THAT(bands, Contains("\n002/one cycle/0.01/test accuracy,explained,"));
  CHECK_NOTHROW(tapegrad::examples::Bands::parse(bands));
  CHECK_FALSE(fs::exists(folder.path() / "bands.csv.part"));
  CHECK(run(folder.path(), "reproduce 002 --bands bands.csv").exit_code == 2);
  CHECK(run(folder.path(), "reproduce 002 --quick --bands nowhere/bands.csv").exit_code == 1);
}

TEST_CASE("reproduce: bad input gets an answer") {
  const TemporaryFolder folder;
  const Result unknown = run(folder.path(), "reproduce 005 --quick");
  CHECK(unknown.exit_code == 2);
  CHECK_THAT(unknown.output, Contains("there is no report '005': there are 000, 001, 002"));
  CHECK(run(folder.path(), "reproduce --jobs 0").exit_code == 2);
  const Result no_cifar = run(folder.path(), "reproduce '004/one cycle'");
  CHECK(no_cifar.exit_code == 1);
  CHECK_THAT(no_cifar.output, Contains("the reports' figures are about CIFAR-10"));
  const Result no_data = run(folder.path(), "reproduce 001 --data nowhere");
  CHECK(no_data.exit_code == 1);
  CHECK_THAT(no_data.output, Contains("nowhere"));
  std::ofstream(folder.path() / "file") << "in the way";
  CHECK(run(folder.path(), "reproduce 001 --quick --out file").exit_code == 1);
}
