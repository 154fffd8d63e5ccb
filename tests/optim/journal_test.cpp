#include "optim/journal.h"

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/sha256.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;

TEST_CASE("journal: a path that cannot be looked at is an error of a file's") {
  CHECK_THROWS_AS(optim::Journal::resume(std::string(300, 'a'), "x"), FileError);
}

TEST_CASE("journal: a number with more behind it is none") {
  const test::TemporaryFolder folder;
  const std::string lines = "tapegrad journal of one thing\na 1x\n";
  write_file(folder.path() / "journal",
             lines + "sha256 " + to_hex(sha256(std::as_bytes(std::span(lines)))) + "\n");
  CHECK_THROWS_WITH(optim::Journal::resume(folder.path() / "journal", "one thing"),
                    Catch::Contains("'1x' in line 2 is no number"));
}
