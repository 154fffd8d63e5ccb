// Losses as objects, for code that is handed one.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "autograd/ops.h"

namespace tapegrad::nn {

/// A loss of logits [N, K] and N labels, the mean over the batch; rank 0.
template <Scalar T>
using Loss = std::function<Var<T>(Var<T> logits, std::span<const std::int32_t> labels)>;

/// The mean of -sum_k t_k ln softmax(logits)_k over the batch, where t is 1 at the label and 0
/// elsewhere, or with label smoothing s: 1 - s + s / K at the label and s / K elsewhere (Szegedy et
/// al. 2016, section 7). Throws OptionError unless 0 <= s < 1, and as the op does.
template <Scalar T>
struct SoftmaxCrossEntropy {
  double label_smoothing = 0;

  Var<T> operator()(Var<T> logits, std::span<const std::int32_t> labels) const;
};

/// K sigmoids, each a yes or no of its own: the mean over the batch of
/// -(1/K) sum_k (y_k ln p_k + (1 - y_k) ln(1 - p_k)), p = sigmoid(logits), y_k = 1 at the label.
template <Scalar T>
struct SigmoidCrossEntropy {
  Var<T> operator()(Var<T> logits, std::span<const std::int32_t> labels) const;
};

/// The multi-class hinge, the mean over the batch of sum_{k != y} max(0, 1 + s_k - s_y); see
/// tapegrad::multiclass_hinge.
template <Scalar T>
struct MulticlassHinge {
  Var<T> operator()(Var<T> scores, std::span<const std::int32_t> labels) const {
    return multiclass_hinge(scores, labels);
  }
};

/// The loss called "softmax", "sigmoid" or "hinge". Throws OptionError for another name, and for
/// label smoothing with another loss than softmax.
template <Scalar T>
Loss<T> make_loss(std::string_view name, double label_smoothing = 0);

}  // namespace tapegrad::nn
