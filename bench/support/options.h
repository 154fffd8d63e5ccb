// The benchmarks' few options: counts, each with a default.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tapegrad::bench {

using Counts = std::map<std::string, int, std::less<>>;

/// Reads "--name N" words into `counts`. Throws std::runtime_error for a name that is not among
/// them, or a value that is not a count of 1 or more.
inline Counts parse_counts(std::span<char*> words, Counts counts) {
  for (std::size_t i = 1; i < words.size(); i += 2) {
    const std::string_view word = words[i];
    const auto option = counts.find(word.substr(std::min<std::size_t>(2, word.size())));
    if (!word.starts_with("--") || option == counts.end()) {
      std::string known;
      for (const auto& [name, value] : counts) known += fmt::format(" --{} {}", name, value);
      throw std::runtime_error(fmt::format("'{}' is not an option; defaults are{}", word, known));
    }
    const std::string_view text = i + 1 < words.size() ? words[i + 1] : "";
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), option->second);
    if (error != std::errc{} || end != text.data() + text.size() || option->second < 1) {
      throw std::runtime_error(fmt::format("{}: '{}' is not a count", word, text));
    }
  }
  return counts;
}

/// A benchmark's main function: parses the counts and runs; errors become exit code 1.
template <class Run>
int main_with_counts(int argc, char** argv, const Counts& defaults, Run run) {
  try {
    run(parse_counts(std::span(argv, static_cast<std::size_t>(argc)), defaults));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace tapegrad::bench
