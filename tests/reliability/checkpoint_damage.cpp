// Damages a checkpoint of 1 MiB at random, in memory; each damage must be noticed.
// usage: checkpoint_damage DAMAGES [SEED]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "tensor/checksums.h"
#include "tensor/error.h"
#include "tensor/random.h"

using namespace tapegrad;
using Bytes = std::vector<std::byte>;

namespace {

Safetensors some_state() {
  Rng rng(3);
  Safetensors file;
  file.metadata["step"] = "1000";
  file.add<float>("0.weight", rng.normal<float>({341, 256}, 1));
  file.add<float>("0.bias", rng.normal<float>({341}, 1));
  file.add<float>("optimizer/mean/0.weight", rng.normal<float>({341, 256}, 1));
  file.add<float>("optimizer/square/0.weight", rng.normal<float>({341, 256}, 1));
  return file;
}

// A stretch of the file: most are short, all places are equally likely.
std::span<std::byte> stretch(Bytes& bytes, Rng& rng) {
  const Index n = std::min<Index>(Index{1} << rng.below(14), std::ssize(bytes));
  const auto begin = static_cast<std::size_t>(rng.below(std::ssize(bytes) - n + 1));
  return std::span(bytes).subspan(begin, static_cast<std::size_t>(n));
}

void flip_bit(Bytes& bytes, Rng& rng) {
  const auto at = static_cast<std::size_t>(rng.below(std::ssize(bytes)));
  bytes[at] ^= std::byte(1 << rng.below(8));
}
void zero(Bytes& bytes, Rng& rng) { std::ranges::fill(stretch(bytes, rng), std::byte{0}); }
void scramble(Bytes& bytes, Rng& rng) {
  for (std::byte& b : stretch(bytes, rng)) b = std::byte(static_cast<unsigned char>(rng.bits()));
}
void rotate(Bytes& bytes, Rng& rng) {
  const auto part = stretch(bytes, rng);
  std::rotate(part.begin(), part.begin() + rng.below(std::ssize(part)), part.end());
}
void truncate(Bytes& bytes, Rng& rng) {
  bytes.resize(static_cast<std::size_t>(rng.below(std::ssize(bytes))));
}
void extend(Bytes& bytes, Rng& rng) {
  bytes.resize(bytes.size() + 1 + static_cast<std::size_t>(rng.below(5000)));
}
void drop(Bytes& bytes, Rng& rng) {
  const auto part = stretch(bytes, rng);
  const Index begin = part.data() - bytes.data();
  bytes.erase(bytes.begin() + begin, bytes.begin() + begin + std::ssize(part));
}

bool accepted(const Bytes& bytes) {
  try {
    parse_with_checksums(bytes, "damaged");
    return true;
  } catch (const FormatError&) {
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Index wanted = argc > 1 ? std::atoll(argv[1]) : 1000;
  Rng rng(argc > 2 ? static_cast<std::uint64_t>(std::atoll(argv[2])) : 1);
  const Bytes whole = serialize_with_checksums(some_state());
  void (*const kinds[])(Bytes&, Rng&) = {flip_bit, flip_bit, zero,   scramble,
                                         rotate,   truncate, extend, drop};
  Index damages = 0;
  Index unnoticed = 0;
  while (damages < wanted) {
    Bytes bytes = whole;
    kinds[rng.below(std::ssize(kinds))](bytes, rng);
    if (bytes == whole) continue;  // such as a rotation by nothing
    ++damages;
    unnoticed += accepted(bytes);
  }
  fmt::print("{} damages of {} bytes: {} unnoticed; undamaged: {}\n", damages, whole.size(),
             unnoticed, accepted(whole) ? "accepted" : "refused");
  return unnoticed == 0 && accepted(whole) ? 0 : 1;
}
