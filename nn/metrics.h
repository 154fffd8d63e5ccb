// How good predictions are.
#pragma once

#include <optional>
#include <span>

#include "tensor/view.h"

namespace tapegrad::nn {

/// The place of the largest score, the first on ties; none when one of them is NaN.
template <Real T>
std::optional<Index> likeliest_class(std::span<const T> scores);

/// How many rows of logits [N, classes] have their likeliest class at the label. Throws ShapeError
/// when there are not N labels.
template <Real T>
Index count_correct(View<const T> logits, std::span<const std::int32_t> labels);

/// The fraction of rows classified right, count_correct / N; NaN when N = 0.
template <Real T>
double accuracy(View<const T> logits, std::span<const std::int32_t> labels) {
  return static_cast<double>(count_correct(logits, labels)) / static_cast<double>(labels.size());
}

}  // namespace tapegrad::nn
