// A CIFAR-10 file of two records is read whole, byte for byte, or refused.
#include "data/cifar10.h"

#include <algorithm>

#include "tests/fuzz/target.h"

using namespace tapegrad;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::size_t record_bytes = 3073;
  const fuzz::MemoryFile file(bytes, size);
  try {
    const data::ImageSet images = data::read_cifar10_file(file.path(), 2);
    require(size == 2 * record_bytes && images.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      const std::uint8_t* record = bytes + i * record_bytes;
      require(record[0] <= 9 && images.labels[i] == record[0]);
      const auto pixels = images.image(static_cast<Index>(i));
      require(std::equal(pixels.begin(), pixels.end(), record + 1, record + record_bytes));
    }
  } catch (const Error&) {
  }
  return 0;
}
