// Mistakes with data that no accuracy shows by itself: each finding is a sentence for people.
#pragma once

#include <string>
#include <vector>

#include "data/image_set.h"
#include "data/standardizer.h"

namespace tapegrad::data {

/// How many images of `b` are, byte for byte, also in `a`.
Index shared_images(const ImageSet& a, const ImageSet& b);

/// Whether the statistics are exactly those of `images`.
bool fitted_on(const Standardizer& standardizer, const ImageSet& images, Scope scope);

/// Validation or test images that are training images too (more than one in a thousand: data sets
/// hold a few duplicates), test images among the validation images, and statistics that were not
/// taken from the training images alone.
std::vector<std::string> lint(const ImageSet& train, const ImageSet& validation,
                              const ImageSet& test, const Standardizer& standardizer, Scope scope);

}  // namespace tapegrad::data
