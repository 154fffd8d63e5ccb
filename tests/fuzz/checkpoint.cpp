// A training resumed from a file of any contents. Bytes that are a file with checksums are only
// those that were written; and a file whose checksums are right, but whose contents are not, is
// refused or leaves a training that goes on.
#include "optim/checkpoint.h"

#include <algorithm>

#include "autograd/ops.h"
#include "nn/linear.h"
#include "optim/adam.h"
#include "optim/trainer.h"
#include "tensor/checksums.h"
#include "tests/fuzz/target.h"

using namespace tapegrad;
namespace fs = std::filesystem;
using fuzz::require;

namespace {

// In memory; gone with the process.
class Folder {
 public:
  Folder() {
    std::string name = "/dev/shm/tapegrad-fuzz.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder in /dev/shm");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  fs::path path;
};

void require_as_written(std::span<const std::byte> bytes) {
  try {
    const Safetensors file = parse_with_checksums(bytes, "fuzz");
    require(std::ranges::equal(serialize_with_checksums(file), bytes));
  } catch (const Error&) {
  }
}

// Two steps at most: the file may say that one of them was made.
void resume_training(const fs::path& folder) {
  Rng rng(1);
  nn::Linear<float> net(2, 2, rng);
  optim::Adam<float> adam(optim::decay_matrices(net.parameters(), 0.1), optim::Constant{0.1});
  const Tensor<float> x({1, 2}, 1);
  optim::Trainer<float> trainer(adam, [&](Tape<float>& tape) { return sum(net(tape.constant(x))); },
                                {.progress = false});
  Index batch = 0;
  trainer.checkpoint({.folder = folder, .resume = true, .warn = [](const std::string&) {}},
                     net.parameters(),
                     {optim::number_piece(
                         "batch", [&] { return batch; }, [&](Index value) { batch = value; })});
  trainer.run(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const Folder folder;
  const auto file = std::as_bytes(std::span(bytes, size));
  require_as_written(file);
  try {
    Safetensors contents = parse_safetensors(file, "fuzz");
    contents.tensors.erase("~sha256");
    for (const auto& entry : fs::directory_iterator(folder.path)) fs::remove(entry.path());
    write_file(folder.path / "step-000000001.safetensors", serialize_with_checksums(contents));
    resume_training(folder.path);
  } catch (const Error&) {
  }
  return 0;
}
