// Images, and what a network makes of them.
#pragma once

#include "data/image_set.h"
#include "examples/report/picture.h"
#include "examples/support/evaluator.h"

namespace tapegrad::report {

/// Draws the first `count` images of a CIFAR-10 set with their classes.
Picture labelled_images(Picture to, const data::ImageSet& images, Index count);

/// Draws the `count` images that a network got wrong with the highest probability: true class,
/// predicted class, its probability. Throws DataError when everything is right.
Picture surest_mistakes(Picture to, const data::ImageSet& images,
                        const examples::Predictions& predictions, Index count);

/// Draws the confusion matrix of the classes.
Picture confusion(Picture to, const data::ImageSet& images,
                  const examples::Predictions& predictions);

/// Draws how the probability of the true class is distributed, over the images classified right and
/// over those classified wrong.
Picture true_probabilities(Picture to, const data::ImageSet& images,
                           const examples::Predictions& predictions);

}  // namespace tapegrad::report
