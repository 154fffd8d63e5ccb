#include "nn/losses.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/labels.h"
#include "tensor/error.h"
#include "tensor/options.h"

namespace tapegrad::nn {
namespace {

// Targets [N, K] on the logits' tape: `on` at each row's label, `off` elsewhere.
template <Scalar T>
View<const T> targets(const char* op, Var<T> logits, std::span<const std::int32_t> labels,
                      double on, double off) {
  const Shape& shape = logits.shape();
  require_labels(op, "logits", shape, labels);
  const View<T> t(logits.tape().template scratch<T>(shape.size()).data(), shape);
  std::fill(t.begin(), t.end(), static_cast<T>(off));
  for (Index n = 0; n < shape[0]; ++n)
    t(n, labels[static_cast<std::size_t>(n)]) = static_cast<T>(on);
  return t;
}

void require_smoothing(double s) { require_fraction("label_smoothing", s); }

}  // namespace

template <Scalar T>
Var<T> SoftmaxCrossEntropy<T>::operator()(Var<T> logits,
                                          std::span<const std::int32_t> labels) const {
  require_smoothing(label_smoothing);
  if (label_smoothing == 0) return softmax_cross_entropy(logits, labels);
  const double off =
      label_smoothing / static_cast<double>(logits.shape().rank() == 2 ? logits.shape()[1] : 1);
  return softmax_cross_entropy(
      logits, targets("softmax_cross_entropy", logits, labels, 1 - label_smoothing + off, off));
}

template <Scalar T>
Var<T> SigmoidCrossEntropy<T>::operator()(Var<T> logits,
                                          std::span<const std::int32_t> labels) const {
  constexpr const char* op = "binary_cross_entropy_with_logits";
  return binary_cross_entropy_with_logits(logits, targets(op, logits, labels, 1, 0));
}

template <Scalar T>
Loss<T> make_loss(std::string_view name, double label_smoothing) {
  require_smoothing(label_smoothing);
  if (name == "softmax") return SoftmaxCrossEntropy<T>{label_smoothing};
  if (label_smoothing != 0) {
    throw OptionError(fmt::format("label smoothing is for the softmax loss, not for '{}'", name));
  }
  if (name == "sigmoid") return SigmoidCrossEntropy<T>{};
  if (name == "hinge") return MulticlassHinge<T>{};
  throw OptionError(fmt::format("there is no loss '{}': there are softmax, sigmoid, hinge", name));
}

template struct SoftmaxCrossEntropy<float>;
template struct SoftmaxCrossEntropy<double>;
template struct SoftmaxCrossEntropy<Dual>;
template struct SigmoidCrossEntropy<float>;
template struct SigmoidCrossEntropy<double>;
template struct SigmoidCrossEntropy<Dual>;
template Loss<float> make_loss(std::string_view, double);
template Loss<double> make_loss(std::string_view, double);
template Loss<Dual> make_loss(std::string_view, double);

}  // namespace tapegrad::nn
