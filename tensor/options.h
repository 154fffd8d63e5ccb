// Checks of settings that several parts share.
#pragma once

#include "tensor/scalar.h"

namespace tapegrad {

/// Throws OptionError, beginning with `option`, unless the value is at least so large.
void require_at_least(Index least, const char* option, Index value);

/// Throws OptionError, beginning with `option`, unless the value is at least 0 and finite.
void require_size(const char* option, double value);

/// Throws OptionError, beginning with `option`, unless the value is in [0, 1).
void require_fraction(const char* option, double value);

/// Throws OptionError, beginning with `option`, unless the value is in [0, 1].
void require_share(const char* option, double value);

}  // namespace tapegrad
