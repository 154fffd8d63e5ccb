// How good predictions are.
#pragma once

#include <span>

#include "tensor/view.h"

namespace tapegrad::nn {

/// How many rows of logits [N, classes] have their largest number (the first, on ties) at the
/// label. Throws ShapeError when there are not N labels.
template <Real T>
Index count_correct(View<const T> logits, std::span<const std::int32_t> labels);

/// The fraction of rows classified right, count_correct / N; NaN when N = 0.
template <Real T>
double accuracy(View<const T> logits, std::span<const std::int32_t> labels) {
  return static_cast<double>(count_correct(logits, labels)) / static_cast<double>(labels.size());
}

}  // namespace tapegrad::nn
