#include "autograd/labels.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace tapegrad {

void require_labels(const char* op, const char* scores, const Shape& shape,
                    std::span<const std::int32_t> labels) {
  if (shape.rank() != 2) {
    throw ShapeError(
        fmt::format("{}: {} are {}, but must be [N, classes]", op, scores, to_string(shape)));
  }
  if (std::ssize(labels) != shape[0]) {
    throw ShapeError(
        fmt::format("{}: {} are {} but there are {} labels: rows ({}) must equal labels ({})", op,
                    scores, to_string(shape), labels.size(), shape[0], labels.size()));
  }
  for (std::size_t n = 0; n < labels.size(); ++n) {
    if (labels[n] < 0 || labels[n] >= shape[1]) {
      throw ShapeError(
          fmt::format("{}: label {} at row {} is outside 0..{}", op, labels[n], n, shape[1] - 1));
    }
  }
}

}  // namespace tapegrad
