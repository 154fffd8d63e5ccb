#include "tensor/options.h"

#include <fmt/format.h>

#include <cmath>

#include "tensor/error.h"

namespace tapegrad {

void require_at_least(Index least, const char* option, Index value) {
  if (value >= least) return;
  throw OptionError(fmt::format("{} is {}, but must be at least {}", option, value, least));
}

void require_size(const char* option, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  throw OptionError(fmt::format("{} is {}, but must be at least 0 and finite", option, value));
}

void require_fraction(const char* option, double value) {
  if (value >= 0 && value < 1) return;
  throw OptionError(fmt::format("{} is {}, but must be in [0, 1)", option, value));
}

void require_share(const char* option, double value) {
  if (value >= 0 && value <= 1) return;
  throw OptionError(fmt::format("{} is {}, but must be in [0, 1]", option, value));
}

}  // namespace tapegrad
