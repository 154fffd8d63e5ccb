// Labels of classes, checked before they are used as indices.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/shape.h"

namespace tapegrad {

/// Throws ShapeError, beginning with `op`, unless there is a label for every row of `shape`, which
/// must be [N, classes], and all are in [0, classes). `scores` is what the op calls its operand:
/// "logits".
void require_labels(const char* op, const char* scores, const Shape& shape,
                    std::span<const std::int32_t> labels);

}  // namespace tapegrad
