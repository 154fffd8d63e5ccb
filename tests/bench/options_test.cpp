// The benchmarks' options.
#include "bench/support/options.h"

#include <string>
#include <vector>

#include "tests/catch.h"

namespace {

using Catch::Matchers::Contains;
using tapegrad::bench::Counts;

Counts parse(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  return tapegrad::bench::parse_counts(pointers, {{"rounds", 3}, {"steps", 50}});
}

}  // namespace

TEST_CASE("bench options: what is not given keeps its default") {
  CHECK(parse({"peers"}) == Counts{{"rounds", 3}, {"steps", 50}});
  CHECK(parse({"peers", "--steps", "7"}) == Counts{{"rounds", 3}, {"steps", 7}});
}

TEST_CASE("bench options: an unknown one is refused with those there are") {
  CHECK_THROWS_WITH(parse({"peers", "--step", "7"}),
                    Contains("'--step'") && Contains("--steps 50"));
  CHECK_THROWS_WITH(parse({"peers", "steps", "7"}), Contains("'steps' is not an option"));
  CHECK_THROWS_WITH(parse({"peers", "-"}), Contains("'-' is not an option"));
}

TEST_CASE("bench options: what is not a count is refused") {
  for (const char* text : {"0", "-1", "x", "7x", "", "99999999999"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse({"peers", "--steps", text}), Contains("is not a count"));
  }
  CHECK_THROWS_WITH(parse({"peers", "--steps"}), Contains("'' is not a count"));
}
