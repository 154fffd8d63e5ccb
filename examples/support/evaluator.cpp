#include "examples/support/evaluator.h"

#include <algorithm>

#include "autograd/ops.h"
#include "data/loader.h"
#include "nn/metrics.h"

namespace tapegrad::examples {

constexpr Index block_images = 1000;

template <Real T>
Evaluator<T>::Evaluator(nn::Module<T>& network, const data::Standardizer& standardizer)
    : network_(network),
      standardizer_(standardizer),
      block_(Shape{block_images, standardizer.features()}) {}

template <Real T>
optim::Scores Evaluator<T>::operator()(const data::ImageSet& images) {
  double loss = 0;
  Index correct = 0;
  for (Index begin = 0; begin < images.size(); begin += block_images) {
    const Index n = std::min(block_images, images.size() - begin);
    const View<T> block(block_.data(), {n, standardizer_.features()});
    const data::Batch<T> batch = data::gather<T>(images, standardizer_, begin, block);
    NoGrad<T> tape;
    const Var<T> logits = network_(tape.constant(batch.x));
    loss +=
        static_cast<double>(softmax_cross_entropy(logits, batch.y).item()) * static_cast<double>(n);
    correct += nn::count_correct(logits.value(), batch.y);
  }
  const auto count = static_cast<double>(images.size());
  return {loss / count, static_cast<double>(correct) / count};
}

template class Evaluator<float>;
template class Evaluator<double>;

}  // namespace tapegrad::examples
