// The loss and accuracy of a network over a whole set of images.
#pragma once

#include <vector>

#include "data/image_set.h"
#include "data/loader.h"
#include "data/standardizer.h"
#include "nn/module.h"
#include "optim/history.h"

namespace tapegrad::examples {

/// What a network makes of each image of a set.
struct Predictions {
  std::vector<std::int32_t> classes;       // the class with the highest probability
  std::vector<double> probabilities;       // of that class
  std::vector<double> true_probabilities;  // of the image's label
};

/// Runs a network over sets of images in blocks of at most 1,000, into one reused buffer. Borrows
/// the network and the standardizer.
template <Real T>
class Evaluator {
 public:
  Evaluator(nn::Module<T>& network, const data::Standardizer& standardizer);

  /// The mean cross-entropy and the fraction of images classified right.
  optim::Scores operator()(const data::ImageSet& images);

  /// The softmax of the logits, image by image.
  Predictions predict(const data::ImageSet& images);

 private:
  // Calls f(logits, batch) for every block.
  template <class F>
  void for_each_block(const data::ImageSet& images, F f);

  nn::Module<T>& network_;
  const data::Standardizer& standardizer_;
  Tensor<T> block_;
};

}  // namespace tapegrad::examples
