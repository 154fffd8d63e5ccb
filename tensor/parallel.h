// Independent pieces of work on several threads.
#pragma once

#include <functional>

#include "tensor/scalar.h"

namespace tapegrad {

/// How many threads the processor runs at once, at least 1.
Index processor_count();

/// Calls work(0), ..., work(n - 1), started in this order on up to `workers` threads (the calling
/// one alone for 1). Pieces must not depend on one another, so results are the same for any number
/// of workers. When one throws, no further ones start, those under way finish, and the exception of
/// the lowest index is thrown on. Throws OptionError for workers < 1.
void parallel_for(Index n, Index workers, const std::function<void(Index)>& work);

}  // namespace tapegrad
