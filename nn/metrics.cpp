#include "nn/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace tapegrad::nn {

template <Real T>
Index count_correct(View<const T> logits, std::span<const std::int32_t> labels) {
  if (logits.shape().rank() != 2 || logits.shape()[0] != std::ssize(labels)) {
    throw ShapeError(fmt::format("accuracy: logits are {} but there are {} labels",
                                 to_string(logits.shape()), labels.size()));
  }
  const Index classes = logits.shape()[1];
  Index correct = 0;
  const T* row = logits.data();
  for (const std::int32_t label : labels) {
    correct += std::max_element(row, row + classes) - row == label;
    row += classes;
  }
  return correct;
}

template Index count_correct(View<const float>, std::span<const std::int32_t>);
template Index count_correct(View<const double>, std::span<const std::int32_t>);

}  // namespace tapegrad::nn
