// Losses as objects, for code that is handed one.
#pragma once

#include <span>

#include "autograd/ops.h"

namespace tapegrad::nn {

/// The mean of -ln softmax(logits)[n, label_n] over the batch; see tapegrad::softmax_cross_entropy.
template <Scalar T>
struct SoftmaxCrossEntropy {
  Var<T> operator()(Var<T> logits, std::span<const std::int32_t> labels) const {
    return softmax_cross_entropy(logits, labels);
  }
};

}  // namespace tapegrad::nn
