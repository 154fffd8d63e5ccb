#include "examples/support/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "autograd/ops.h"
#include "autograd/parameter_values.h"
#include "examples/support/interrupt.h"
#include "nn/lint.h"
#include "nn/metrics.h"
#include "tensor/error.h"

namespace tapegrad::examples {
namespace {

constexpr Index block_images = 1000;

void require_labels(std::span<const std::int32_t> labels, Index classes) {
  for (const std::int32_t label : labels) {
    if (label < 0 || label >= classes) {
      throw DataError(fmt::format("evaluator: label {} of an image, but the network has {} classes",
                                  label, classes));
    }
  }
}

// Evaluation mode as long as it lives.
template <Real T>
class EvaluationMode {
 public:
  explicit EvaluationMode(nn::Module<T>& network) : network_(network) {
    network_.set_training(false);
  }
  ~EvaluationMode() { network_.set_training(true); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  nn::Module<T>& network_;
};

}  // namespace

template <Real T>
Evaluator<T>::Evaluator(nn::Module<T>& network, const data::Standardizer& standardizer,
                        nn::Loss<T> loss)
    : network_(network),
      standardizer_(standardizer),
      loss_(std::move(loss)),
      block_(Shape{block_images, standardizer.features()}) {}

template <Real T>
template <class F>
void Evaluator<T>::for_each_block(const data::ImageSet& images, F f) {
  const auto start = std::chrono::steady_clock::now();
  const EvaluationMode<T> evaluation(network_);
  for (Index begin = 0; begin < images.size(); begin += block_images) {
    throw_if_interrupted();
    const Index n = std::min(block_images, images.size() - begin);
    const View<T> block(block_.data(), {n, standardizer_.features()});
    const data::Batch<T> batch = data::gather<T>(images, standardizer_, begin, block);
    NoGrad<T> tape;
    f(network_(tape.constant(batch.x)), batch);
  }
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <Real T>
optim::Scores Evaluator<T>::operator()(const data::ImageSet& images) {
  double loss = 0;
  Index correct = 0;
  for_each_block(images, [&](Var<T> logits, const data::Batch<T>& batch) {
    loss +=
        static_cast<double>(loss_(logits, batch.y).item()) * static_cast<double>(batch.y.size());
    correct += nn::count_correct(logits.value(), batch.y);
  });
  const auto count = static_cast<double>(images.size());
  return {loss / count, static_cast<double>(correct) / count};
}

template <Real T>
std::vector<std::string> Evaluator<T>::lint_units(const data::ImageSet& images) {
  const EvaluationMode<T> evaluation(network_);
  const Index n = std::min(block_images, images.size());
  const View<T> block(block_.data(), {n, standardizer_.features()});
  return nn::lint_units<T>(network_, data::gather<T>(images, standardizer_, 0, block).x);
}

template <Real T>
Predictions Evaluator<T>::predict(const data::ImageSet& images) {
  Predictions all;
  for_each_block(images, [&](Var<T> logits, const data::Batch<T>& batch) {
    const View<const T> p = softmax(logits).value();
    const Index classes = p.shape()[1];
    require_labels(batch.y, classes);
    const T* row = p.data();
    for (const std::int32_t label : batch.y) {
      const auto likeliest = nn::likeliest_class(std::span(row, static_cast<std::size_t>(classes)));
      if (!likeliest) {
        throw DataError(
            fmt::format("predict: for image {} the network's output is not a number: "
                        "its weights are damaged or its training diverged",
                        all.classes.size()));
      }
      all.classes.push_back(static_cast<std::int32_t>(*likeliest));
      all.probabilities.push_back(static_cast<double>(row[*likeliest]));
      all.true_probabilities.push_back(static_cast<double>(row[label]));
      row += classes;
    }
  });
  return all;
}

template <Real T>
optim::Scores Evaluator<T>::ensemble(const nn::Snapshots<T>& snapshots,
                                     const data::ImageSet& images) {
  data::require_images(images, "ensemble");
  if (snapshots.size() == 0) {
    throw OptionError("ensemble: there are no snapshots: add() some first");
  }
  const ParameterList<T> parameters = network_.parameters();
  const RestoreAtExit<T> keep{ParameterValues<T>(parameters)};
  std::vector<double> sums;  // of probabilities, [images, classes]
  for (Index s = 0; s < snapshots.size(); ++s) {
    snapshots.restore(s, parameters);
    std::size_t place = 0;
    for_each_block(images, [&](Var<T> logits, const data::Batch<T>&) {
      const View<const T> p = softmax(logits).value();
      sums.resize(std::max(sums.size(), place + static_cast<std::size_t>(p.size())));
      for (const T x : p) sums[place++] += static_cast<double>(x);
    });
  }
  const std::size_t classes = sums.size() / images.labels.size();
  require_labels(images.labels, static_cast<Index>(classes));
  double loss = 0;
  Index correct = 0;
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    const double* row = sums.data() + i * classes;
    const auto label = static_cast<std::size_t>(images.labels[i]);
    loss -= std::log(row[label] / static_cast<double>(snapshots.size()));
    correct += nn::likeliest_class(std::span(row, classes)) == images.labels[i];
  }
  const auto count = static_cast<double>(images.size());
  return {loss / count, static_cast<double>(correct) / count};
}

template class Evaluator<float>;
template class Evaluator<double>;

}  // namespace tapegrad::examples
