// The loss and accuracy of a network over a whole set of images.
#pragma once

#include "data/image_set.h"
#include "data/standardizer.h"
#include "nn/module.h"
#include "optim/history.h"

namespace tapegrad::examples {

/// Runs a network over sets of images in blocks of at most 1,000, into one reused buffer. Borrows
/// the network and the standardizer.
template <Real T>
class Evaluator {
 public:
  Evaluator(nn::Module<T>& network, const data::Standardizer& standardizer);

  /// The mean cross-entropy and the fraction of images classified right.
  optim::Scores operator()(const data::ImageSet& images);

 private:
  nn::Module<T>& network_;
  const data::Standardizer& standardizer_;
  Tensor<T> block_;
};

}  // namespace tapegrad::examples
