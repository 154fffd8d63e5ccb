// A journal of a search, of finished trials by key.
#include "optim/journal.h"

#include "tests/fuzz/target.h"

using namespace tapegrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const fuzz::MemoryFile file(bytes, size);
  try {
    const auto journal = optim::Journal::resume(file.path(), "lambda 8 1");
    const auto* found = journal.find("0-1");
    fuzz::require(found == nullptr || journal.size() > 0);
  } catch (const Error&) {
  }
  return 0;
}
