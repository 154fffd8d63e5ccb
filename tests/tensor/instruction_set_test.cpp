#include "tensor/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::kernels;

TEST_CASE("instruction_set: a limit takes away, and never adds") {
  for (const InstructionSet best :
       {InstructionSet::baseline, InstructionSet::v3, InstructionSet::v4}) {
    CHECK(limited(best, nullptr) == best);
    CHECK(limited(best, "") == best);
    CHECK(limited(best, "baseline") == InstructionSet::baseline);
    CHECK(limited(best, "v3") == std::min(best, InstructionSet::v3));
    CHECK(limited(best, "v4") == best);
  }
}

TEST_CASE("instruction_set: a limit that names none is refused") {
  for (const char* name : {"v2", "V3", "avx2", "v3 "}) {
    CHECK_THROWS_AS(limited(InstructionSet::v4, name), OptionError);
  }
}

TEST_CASE("instruction_set: the loops are those of the best one") {
  const std::string names[] = {"baseline", "v3", "v4"};
  const std::string& best = names[static_cast<int>(best_instruction_set())];
  CHECK(loops<float>().instruction_set == best);
  CHECK(loops<double>().instruction_set == best);
}

// The tests run once more with such a limit.
TEST_CASE("instruction_set: the environment's limit holds") {
  const InstructionSet best = best_instruction_set();
  CHECK(limited(best, std::getenv("TAPEGRAD_INSTRUCTION_SET")) == best);
}
