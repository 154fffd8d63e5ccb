// Runs a fuzz target over its corpus, and over damaged copies of it, without a fuzzer: what was
// found once stays found, with any compiler.
// usage: replay CORPUS [MUTATIONS]
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tensor/file.h"
#include "tensor/random.h"
#include "tests/fuzz/target.h"

namespace {

using namespace tapegrad;
using Bytes = std::vector<std::uint8_t>;

constexpr double longest_seconds = 2;
constexpr long most_kilobytes = 64 * 1024;  // more than before the first input

struct Watch {
  double slowest = 0;
  long kilobytes = peak();

  static long peak() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  }

  void run(const Bytes& input) {
    const auto start = std::chrono::steady_clock::now();
    LLVMFuzzerTestOneInput(input.data(), input.size());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    slowest = std::max(slowest, took.count());
  }
};

std::vector<Bytes> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus;
  for (const auto& path : paths) {
    const auto bytes = read_file(path);
    const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
    corpus.emplace_back(first, first + bytes.size());
  }
  return corpus;
}

std::size_t place(Rng& rng, std::size_t n) {
  return static_cast<std::size_t>(rng.below(static_cast<Index>(n)));
}

// One of the ways in which files go wrong.
void damage(Bytes& input, const std::vector<Bytes>& corpus, Rng& rng) {
  const std::size_t n = input.size();
  const auto at = static_cast<std::ptrdiff_t>(place(rng, n + 1));
  switch (place(rng, 6)) {
    case 0:  // a flipped bit
      if (n > 0) input[place(rng, n)] ^= static_cast<std::uint8_t>(1U << place(rng, 8));
      break;
    case 1:  // another byte
      if (n > 0) input[place(rng, n)] = static_cast<std::uint8_t>(place(rng, 256));
      break;
    case 2:  // cut off
      input.resize(static_cast<std::size_t>(at));
      break;
    case 3:  // something too much
      input.insert(input.begin() + at, 1 + place(rng, 16),
                   static_cast<std::uint8_t>(rng.below(256)));
      break;
    case 4: {  // a part missing
      const std::size_t length = std::min(n - static_cast<std::size_t>(at), 1 + place(rng, 64));
      input.erase(input.begin() + at, input.begin() + at + static_cast<std::ptrdiff_t>(length));
      break;
    }
    default: {  // the end of another file
      const Bytes& other = corpus[place(rng, corpus.size())];
      const auto from = static_cast<std::ptrdiff_t>(place(rng, other.size() + 1));
      input.resize(static_cast<std::size_t>(at));
      input.insert(input.end(), other.begin() + from, other.end());
    }
  }
}

int run(const std::filesystem::path& folder, int mutations) {
  const std::vector<Bytes> corpus = read_corpus(folder);
  if (corpus.empty()) {
    fmt::print(stderr, "replay: {} is empty\n", folder.string());
    return 1;
  }
  Watch watch;
  const long before = watch.kilobytes;
  for (const Bytes& input : corpus) watch.run(input);
  Rng rng(1);
  for (int i = 0; i < mutations; ++i) {
    Bytes input = corpus[place(rng, corpus.size())];
    for (std::size_t times = 1 + place(rng, 3); times > 0; --times) damage(input, corpus, rng);
    watch.run(input);
  }
  const long more = Watch::peak() - before;
  fmt::print("{} files, {} damaged copies: slowest {:.3f} s, {} KiB more memory\n", corpus.size(),
             mutations, watch.slowest, more);
  return watch.slowest <= longest_seconds && more <= most_kilobytes ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: {} CORPUS [MUTATIONS]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argc == 3 ? std::stoi(argv[2]) : 0);
  } catch (const std::exception& error) {
    fmt::print(stderr, "replay: {}\n", error.what());
    return 1;
  }
}
