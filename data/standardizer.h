// Bytes to standardised numbers, with the training set's statistics.
#pragma once

#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "data/image_set.h"

namespace tapegrad::data {

/// Which bytes share a mean and a standard deviation: the same pixel of every image, all of one of
/// the three channels, all; `none` leaves x = byte / 255 as it is.
enum class Scope { per_pixel, per_channel, global, none };

/// "per-pixel" or "pixel", "per-channel" or "channel", "global", "none". Throws DataError, listing
/// these, for anything else.
Scope parse_scope(std::string_view name);

/// "per-pixel", "per-channel", "global" or "none".
const char* to_string(Scope scope);

/// (x - mean) / std for each feature, where x = byte / 255.
class Standardizer {
 public:
  /// The statistics of a training set: mean and std = sqrt(sum (x - mean)^2 / n), from exact
  /// integer sums of the bytes, so the images' order does not matter. A feature that never varies
  /// (std 0) gets std 1: its value becomes x - mean. Throws DataError for an empty set, and for
  /// Scope::per_channel when `features` is not a multiple of three.
  static Standardizer fit(const ImageSet& images, Scope scope = Scope::per_pixel);

  /// Known statistics, one finite mean and one finite std > 0 per feature, with which no
  /// (x - mean) / std exceeds a float; those of another Standardizer give the same bits. Throws
  /// DataError for other numbers.
  Standardizer(std::vector<double> mean, std::vector<double> std);

  Index features() const { return static_cast<Index>(mean_.size()); }
  std::span<const double> mean() const { return mean_; }
  std::span<const double> std() const { return std_; }

  /// out[i] = (pixels[i] / 255 - mean[i]) / std[i] for one image, computed as
  /// pixels[i] * scale[i] + shift[i]: off by a few roundings of the larger term. Throws DataError
  /// unless both have features() elements.
  template <Real T>
  void apply(std::span<const std::uint8_t> pixels, std::span<T> out) const;

  /// The same for several images, which lie anywhere, into `out` [images.size(), features()], row
  /// by row; faster than one at a time. Throws DataError for other sizes.
  template <Real T>
  void apply(std::span<const std::span<const std::uint8_t>> images, std::span<T> out) const;

 private:
  template <Real T>
  struct Affine {
    std::vector<T> scale, shift;
  };

  std::vector<double> mean_, std_;
  std::tuple<Affine<float>, Affine<double>> affine_;
};

}  // namespace tapegrad::data
