// What the programs say.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace tapegrad::examples {

/// Prints on standard output as fmt::print does, but goes on when nothing can be written there: a
/// terminal that was closed or a full disk must not end a training. CommandLine::run looks at the
/// end whether something was lost.
template <class... T>
void print(fmt::format_string<T...> format, T&&... values) {
  const std::string text = fmt::format(format, std::forward<T>(values)...);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace tapegrad::examples
