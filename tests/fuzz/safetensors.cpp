// A safetensors file that is accepted can be used, and is the same after being written again.
#include "tensor/safetensors.h"

#include "tests/fuzz/target.h"

using namespace tapegrad;
using fuzz::require;

namespace {

void use(const StoredTensor& tensor) {
  try {
    require(tensor.as<double>().shape() == tensor.shape);
  } catch (const FormatError&) {
  }
  try {
    require(static_cast<Index>(tensor.integers().size()) == tensor.shape.size());
  } catch (const FormatError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  try {
    const auto file = std::as_bytes(std::span(bytes, size));
    const Safetensors parsed = parse_safetensors(file, "fuzz");
    for (const auto& [name, tensor] : parsed.tensors) use(tensor);
    require(parse_safetensors(serialize_safetensors(parsed), "again") == parsed);
  } catch (const Error&) {
  }
  return 0;
}
