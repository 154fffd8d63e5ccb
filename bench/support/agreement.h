// Whether peers compute the same numbers.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace tapegrad::bench {

/// What a peer's loss is after the steps that all make from the same weights and batches.
struct Loss {
  std::string peer;
  double value;
};

/// |value - expected| / |expected| of each peer's loss may be at most `tolerance`. Throws
/// std::runtime_error, naming the first peer whose loss is further off or not a number.
inline void require_agreement(const Loss& expected, const std::vector<Loss>& losses,
                              double tolerance) {
  for (const Loss& loss : losses) {
    const double error = std::abs(loss.value - expected.value) / std::abs(expected.value);
    if (!(error <= tolerance)) {
      throw std::runtime_error(fmt::format(
          "{} has loss {:.4f} where {} has {:.4f}, relative difference {:.1e}, at most {:.0e} is "
          "allowed: they do not compute the same",
          loss.peer, loss.value, expected.peer, expected.value, error, tolerance));
    }
  }
}

}  // namespace tapegrad::bench
