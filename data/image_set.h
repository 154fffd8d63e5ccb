// Images as bytes with their labels: what the readers produce and the loaders decode.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/pixels.h"
#include "tensor/scalar.h"

namespace tapegrad::data {

/// n images of `features` bytes each, one after the other, and their n labels. A regular value:
/// copying copies the bytes. Whatever reads images throws DataError where the pixels are not size()
/// * features bytes.
struct ImageSet {
  /// No images.
  ImageSet() = default;

  /// n images whose pixels are *uninitialised* and whose labels are 0. n >= 0, features >= 1;
  /// anything else throws DataError.
  explicit ImageSet(Index n, Index features = 3072);

  /// How many images.
  Index size() const { return static_cast<Index>(labels.size()); }

  /// The `features` bytes of image i. Throws DataError unless 0 <= i < size().
  std::span<const std::uint8_t> image(Index i) const;
  std::span<std::uint8_t> image(Index i);

  /// Copies of the images [begin, end). Throws DataError unless 0 <= begin <= end <= size().
  ImageSet slice(Index begin, Index end) const;

  /// Copies of the first or the last n images. Throws DataError unless 0 <= n <= size().
  ImageSet first(Index n) const;
  ImageSet last(Index n) const;

  /// Adds the other set's images after these. Throws DataError when both hold images and those
  /// differ in `features`.
  void append(const ImageSet& other);

  friend bool operator==(const ImageSet&, const ImageSet&) = default;

  Pixels pixels;  // [n, features]; CIFAR-10: [n, 3 channels, 32 rows, 32 columns]
  std::vector<std::int32_t> labels;  // [n]; CIFAR-10: 0 to 9
  Index features = 3072;
};

/// The images of `a` followed by those of `b`. Throws DataError as ImageSet::append does.
ImageSet concat(const ImageSet& a, const ImageSet& b);

/// Throws DataError, naming `op`, when the set is empty or its pixels are not size() * features
/// bytes.
void require_images(const ImageSet& images, const char* op);

}  // namespace tapegrad::data
