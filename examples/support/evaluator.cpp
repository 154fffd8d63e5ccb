#include "examples/support/evaluator.h"

#include <algorithm>

#include "autograd/ops.h"
#include "nn/metrics.h"

namespace tapegrad::examples {

constexpr Index block_images = 1000;

template <Real T>
Evaluator<T>::Evaluator(nn::Module<T>& network, const data::Standardizer& standardizer)
    : network_(network),
      standardizer_(standardizer),
      block_(Shape{block_images, standardizer.features()}) {}

template <Real T>
template <class F>
void Evaluator<T>::for_each_block(const data::ImageSet& images, F f) {
  for (Index begin = 0; begin < images.size(); begin += block_images) {
    const Index n = std::min(block_images, images.size() - begin);
    const View<T> block(block_.data(), {n, standardizer_.features()});
    const data::Batch<T> batch = data::gather<T>(images, standardizer_, begin, block);
    NoGrad<T> tape;
    f(network_(tape.constant(batch.x)), batch);
  }
}

template <Real T>
optim::Scores Evaluator<T>::operator()(const data::ImageSet& images) {
  double loss = 0;
  Index correct = 0;
  for_each_block(images, [&](Var<T> logits, const data::Batch<T>& batch) {
    loss += static_cast<double>(softmax_cross_entropy(logits, batch.y).item()) *
            static_cast<double>(batch.y.size());
    correct += nn::count_correct(logits.value(), batch.y);
  });
  const auto count = static_cast<double>(images.size());
  return {loss / count, static_cast<double>(correct) / count};
}

template <Real T>
Predictions Evaluator<T>::predict(const data::ImageSet& images) {
  Predictions all;
  for_each_block(images, [&](Var<T> logits, const data::Batch<T>& batch) {
    const View<const T> p = softmax(logits).value();
    const Index classes = p.shape()[1];
    const T* row = p.data();
    for (const std::int32_t label : batch.y) {
      const T* likeliest = std::max_element(row, row + classes);
      all.classes.push_back(static_cast<std::int32_t>(likeliest - row));
      all.probabilities.push_back(static_cast<double>(*likeliest));
      all.true_probabilities.push_back(static_cast<double>(row[label]));
      row += classes;
    }
  });
  return all;
}

template class Evaluator<float>;
template class Evaluator<double>;

}  // namespace tapegrad::examples
