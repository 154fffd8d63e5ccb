// What a network makes of a whole set of images.
#pragma once

#include <string>
#include <vector>

#include "data/image_set.h"
#include "data/loader.h"
#include "nn/losses.h"
#include "nn/module.h"
#include "nn/snapshots.h"
#include "optim/history.h"

namespace tapegrad::examples {

/// The classification of each image of a set.
struct Predictions {
  std::vector<std::int32_t> classes;       // the class with the highest probability
  std::vector<double> probabilities;       // of that class
  std::vector<double> true_probabilities;  // of the image's label
};

/// Runs a network over sets of images in blocks of at most 1,000, into one reused buffer, in
/// evaluation mode; afterwards the network is in training mode. Throws Interrupted between blocks
/// once a signal came. Borrows the network and the standardizer.
template <Real T>
class Evaluator {
 public:
  Evaluator(nn::Module<T>& network, const data::Standardizer& standardizer,
            nn::Loss<T> loss = nn::SoftmaxCrossEntropy<T>{});

  /// The mean loss and the fraction of images classified right.
  optim::Scores operator()(const data::ImageSet& images);

  /// nn::lint_units on the first images, at most 1,000.
  std::vector<std::string> lint_units(const data::ImageSet& images);

  /// How long the calls of this object took, all together.
  double seconds() const { return seconds_; }

  /// The softmax of the logits, image by image. Throws DataError for a label that is no class, and
  /// where a probability is NaN.
  Predictions predict(const data::ImageSet& images);

  /// The average of the snapshots' softmax probabilities: its mean -ln at the labels, and the
  /// fraction of images classified right. The parameters come back as they were, also when
  /// something throws. Throws OptionError without snapshots, DataError without images or for a
  /// label that is no class.
  optim::Scores ensemble(const nn::Snapshots<T>& snapshots, const data::ImageSet& images);

 private:
  // Calls f(logits, batch) for every block.
  template <class F>
  void for_each_block(const data::ImageSet& images, F f);

  nn::Module<T>& network_;
  const data::Standardizer& standardizer_;
  nn::Loss<T> loss_;
  Tensor<T> block_;
  double seconds_ = 0;
};

}  // namespace tapegrad::examples
