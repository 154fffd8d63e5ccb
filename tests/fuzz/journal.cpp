// A journal of a search, as it is and as if its checksum were right.
#include "optim/journal.h"

#include "tensor/sha256.h"
#include "tests/fuzz/target.h"

using namespace tapegrad;

namespace {

void resume(const std::string& text) {
  const fuzz::MemoryFile file(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  try {
    const auto journal = optim::Journal::resume(file.path(), "lambda 8 1");
    const auto* found = journal.find("0-1");
    fuzz::require(found == nullptr || journal.size() > 0);
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text = fuzz::text(bytes, size);
  resume(text);
  const auto checksum = to_hex(sha256(std::as_bytes(std::span(text))));
  resume(text + "sha256 " + checksum + "\n");
  return 0;
}
