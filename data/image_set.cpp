#include "data/image_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace tapegrad::data {
namespace {

std::size_t byte_count(Index n, Index features) {
  Index bytes = 0;
  if (n < 0 || features < 1 || __builtin_mul_overflow(n, features, &bytes)) {
    throw DataError(
        fmt::format("image set: {} images of {} bytes: need at least 0 images of at least 1 byte",
                    n, features));
  }
  return static_cast<std::size_t>(bytes);
}

// The members are open to everybody, so they may not fit together.
void require_consistent(const ImageSet& set, const char* op) {
  if (set.pixels.size() == byte_count(set.size(), set.features)) return;
  throw DataError(fmt::format("{}: the image set has {} labels but {} bytes, expected {} x {}", op,
                              set.size(), set.pixels.size(), set.size(), set.features));
}

std::size_t image_offset(const ImageSet& set, Index i) {
  if (i < 0 || i >= set.size()) {
    throw DataError(fmt::format("image set: no image {}: there are {}", i, set.size()));
  }
  require_consistent(set, "image set");
  return static_cast<std::size_t>(i * set.features);
}

void require_count(const ImageSet& set, Index n, const char* which) {
  if (n < 0 || n > set.size()) {
    throw DataError(
        fmt::format("image set: the {} {} images asked for: there are {}", which, n, set.size()));
  }
}

}  // namespace

ImageSet::ImageSet(Index n, Index image_features)
    : pixels(byte_count(n, image_features)),
      labels(static_cast<std::size_t>(n)),
      features(image_features) {}

std::span<const std::uint8_t> ImageSet::image(Index i) const {
  return std::span(pixels).subspan(image_offset(*this, i), static_cast<std::size_t>(features));
}

std::span<std::uint8_t> ImageSet::image(Index i) {
  return std::span(pixels).subspan(image_offset(*this, i), static_cast<std::size_t>(features));
}

ImageSet ImageSet::slice(Index begin, Index end) const {
  if (begin < 0 || begin > end || end > size()) {
    throw DataError(
        fmt::format("image set: images [{}, {}) asked for: there are {}", begin, end, size()));
  }
  require_consistent(*this, "image set");
  ImageSet out(end - begin, features);
  std::copy_n(pixels.begin() + begin * features, out.pixels.size(), out.pixels.begin());
  std::copy_n(labels.begin() + begin, out.labels.size(), out.labels.begin());
  return out;
}

ImageSet ImageSet::first(Index n) const {
  require_count(*this, n, "first");
  return slice(0, n);
}

ImageSet ImageSet::last(Index n) const {
  require_count(*this, n, "last");
  return slice(size() - n, size());
}

void ImageSet::append(const ImageSet& other) { *this = concat(*this, other); }

ImageSet concat(const ImageSet& a, const ImageSet& b) {
  require_consistent(a, "image set");
  require_consistent(b, "image set");
  if (b.size() == 0) return a;
  if (a.size() == 0) return b;
  if (a.features != b.features) {
    throw DataError(fmt::format("image set: images of {} bytes cannot follow images of {} bytes",
                                b.features, a.features));
  }
  ImageSet out(a.size() + b.size(), a.features);
  std::copy(b.pixels.begin(), b.pixels.end(),
            std::copy(a.pixels.begin(), a.pixels.end(), out.pixels.begin()));
  std::copy(b.labels.begin(), b.labels.end(),
            std::copy(a.labels.begin(), a.labels.end(), out.labels.begin()));
  return out;
}

void require_images(const ImageSet& images, const char* op) {
  if (images.size() == 0) throw DataError(fmt::format("{}: the image set is empty", op));
  require_consistent(images, op);
}

}  // namespace tapegrad::data
