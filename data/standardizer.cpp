#include "data/standardizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad::data {
namespace {

__extension__ using Wide = unsigned __int128;

// Exact sums over n bytes.
struct Sums {
  std::uint64_t n = 0;
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;

  Sums& operator+=(const Sums& other) {
    n += other.n;
    sum += other.sum;
    squares += other.squares;
    return *this;
  }

  double mean() const { return static_cast<double>(sum) / (255.0 * static_cast<double>(n)); }

  // n^2 variance = n sum(b^2) - sum(b)^2 needs more than 64 bits for 50,000 whole images.
  double std() const {
    const Wide scaled = Wide{n} * squares - Wide{sum} * sum;
    if (scaled == 0) return 1;
    return std::sqrt(static_cast<double>(scaled)) / (255.0 * static_cast<double>(n));
  }
};

// Sums of each feature over a block of images. 32 bits hold 65,536 squares of bytes and make the
// loop twice as fast.
void add_block(const std::uint8_t* pixels, std::size_t n, std::vector<Sums>& sums) {
  const std::size_t features = sums.size();
  std::vector<std::uint32_t> sum(features), squares(features);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < features; ++j) {
      const std::uint32_t b = pixels[i * features + j];
      sum[j] += b;
      squares[j] += b * b;
    }
  }
  for (std::size_t j = 0; j < features; ++j) sums[j] += {n, sum[j], squares[j]};
}

std::vector<Sums> feature_sums(const ImageSet& images) {
  constexpr std::size_t block = 65'536;
  const auto n = static_cast<std::size_t>(images.size());
  const auto features = static_cast<std::size_t>(images.features);
  std::vector<Sums> sums(features);
  for (std::size_t begin = 0; begin < n; begin += block) {
    add_block(images.pixels.data() + begin * features, std::min(block, n - begin), sums);
  }
  return sums;
}

// Gives every feature of each of `groups` equal runs the run's total.
void pool(std::vector<Sums>& sums, std::size_t groups) {
  const std::size_t width = sums.size() / groups;
  for (std::size_t begin = 0; begin < sums.size(); begin += width) {
    Sums total;
    for (std::size_t j = begin; j < begin + width; ++j) total += sums[j];
    std::fill_n(sums.begin() + static_cast<std::ptrdiff_t>(begin), width, total);
  }
}

void pool(std::vector<Sums>& sums, Scope scope) {
  if (scope == Scope::global) pool(sums, 1);
  if (scope != Scope::per_channel) return;
  if (sums.size() % 3 != 0) {
    throw DataError(fmt::format(
        "standardizer: per-channel statistics need three equal channels, not {} bytes per image",
        sums.size()));
  }
  pool(sums, 3);
}

}  // namespace

Scope parse_scope(std::string_view name) {
  if (name == "per-pixel" || name == "pixel") return Scope::per_pixel;
  if (name == "per-channel" || name == "channel") return Scope::per_channel;
  if (name == "global") return Scope::global;
  if (name == "none") return Scope::none;
  throw DataError(fmt::format(
      "standardizer: unknown scope \"{}\": use per-pixel, per-channel, global or none", name));
}

const char* to_string(Scope scope) {
  switch (scope) {
    case Scope::per_pixel:
      return "per-pixel";
    case Scope::per_channel:
      return "per-channel";
    case Scope::global:
      return "global";
    case Scope::none:
      break;
  }
  return "none";
}

Standardizer Standardizer::fit(const ImageSet& images, Scope scope) {
  require_images(images, "standardizer");
  const auto features = static_cast<std::size_t>(images.features);
  std::vector<double> mean(features, 0.0), std(features, 1.0);
  if (scope != Scope::none) {
    std::vector<Sums> sums = feature_sums(images);
    pool(sums, scope);
    std::transform(sums.begin(), sums.end(), mean.begin(), [](const Sums& s) { return s.mean(); });
    std::transform(sums.begin(), sums.end(), std.begin(), [](const Sums& s) { return s.std(); });
  }
  return Standardizer(std::move(mean), std::move(std));
}

Standardizer::Standardizer(std::vector<double> mean, std::vector<double> std)
    : mean_(std::move(mean)), std_(std::move(std)) {
  if (mean_.size() != std_.size()) {
    throw DataError(fmt::format("standardizer: {} means but {} standard deviations", mean_.size(),
                                std_.size()));
  }
  auto& [single, exact] = affine_;
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    if (!std::isfinite(mean_[i]) || !std::isfinite(std_[i]) || !(std_[i] > 0)) {
      throw DataError(fmt::format(
          "standardizer: feature {} has mean {} and std {}: need finite numbers and std > 0", i,
          mean_[i], std_[i]));
    }
    if ((1 + std::abs(mean_[i])) / std_[i] > std::numeric_limits<float>::max()) {
      throw DataError(fmt::format(
          "standardizer: feature {} has mean {} and std {}: (x - mean) / std exceeds a float", i,
          mean_[i], std_[i]));
    }
    exact.scale.push_back(1 / (255 * std_[i]));
    exact.shift.push_back(-mean_[i] / std_[i]);
    single.scale.push_back(static_cast<float>(exact.scale.back()));
    single.shift.push_back(static_cast<float>(exact.shift.back()));
  }
}

template <Real T>
void Standardizer::apply(std::span<const std::uint8_t> pixels, std::span<T> out) const {
  apply(std::span(&pixels, 1), out);
}

template <Real T>
void Standardizer::apply(std::span<const std::span<const std::uint8_t>> images,
                         std::span<T> out) const {
  const auto require_size = [this](std::size_t size, std::size_t wanted, const char* of) {
    if (size == wanted) return;
    throw DataError(
        fmt::format("standardizer: {} {}, but {} are needed with the statistics of {} features",
                    size, of, wanted, mean_.size()));
  };
  for (const auto& pixels : images) require_size(pixels.size(), mean_.size(), "pixels");
  require_size(out.size(), images.size() * mean_.size(), "numbers to write");
  const auto& [scale, shift] = std::get<Affine<T>>(affine_);
  std::array<const std::uint8_t*, 128> pixels;  // the loops ask for images ahead among them
  for (std::size_t i = 0; i < images.size(); i += pixels.size()) {
    const auto group = images.subspan(i, std::min(pixels.size(), images.size() - i));
    std::transform(group.begin(), group.end(), pixels.begin(),
                   [](auto image) { return image.data(); });
    kernels::training_loops<T>().decode(std::ssize(group), features(), pixels.data(), scale.data(),
                                        shift.data(), out.data() + i * mean_.size());
  }
}

template void Standardizer::apply(std::span<const std::uint8_t>, std::span<float>) const;
template void Standardizer::apply(std::span<const std::uint8_t>, std::span<double>) const;
template void Standardizer::apply(std::span<const std::span<const std::uint8_t>>,
                                  std::span<float>) const;
template void Standardizer::apply(std::span<const std::span<const std::uint8_t>>,
                                  std::span<double>) const;

}  // namespace tapegrad::data
