#include "data/synthetic.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "tensor/random.h"

namespace tapegrad::data {
namespace {

constexpr int side = 32;
constexpr std::size_t channels = 3;
constexpr int classes = 10;

using Colour = std::array<int, channels>;

// Five colours of about the same brightness.
constexpr std::array<Colour, 5> palette{
    {{190, 90, 80}, {150, 130, 60}, {70, 150, 90}, {70, 120, 180}, {150, 90, 160}}};

// The numbers that tell one picture of a class from another.
struct Picture {
  Colour disc, background;
  int centre_x, centre_y, radius_squared;
  int light_x, light_y;  // brightness per 32 pixels
  int phase, contrast;   // stripes: of 256 per period; of 64
  bool down;
};

// Uniform on {low, ..., high}. The bias of % is below 2^-54 for such small ranges.
int between(Rng& rng, int low, int high) {
  return low + static_cast<int>(rng.bits() % static_cast<std::uint64_t>(high - low + 1));
}

Picture draw_picture(std::int32_t label, Rng& rng) {
  Picture p{};
  const int light = between(rng, -40, 40);
  for (std::size_t k = 0; k < channels; ++k) {
    p.disc[k] = palette[static_cast<std::size_t>(label % 5)][k] + light + between(rng, -55, 55);
    p.background[k] = 110 + light + between(rng, -50, 50);
  }
  p.centre_x = between(rng, 12, 19);
  p.centre_y = between(rng, 12, 19);
  p.radius_squared = between(rng, 110, 200);
  p.light_x = between(rng, -60, 60);
  p.light_y = between(rng, -60, 60);
  p.phase = between(rng, 0, 255);
  p.contrast = between(rng, 8, 48);
  p.down = label >= 5;
  return p;
}

// A wave of period 256 between -64 and 64.
int triangle(int t) { return std::abs((t & 255) - 128) - 64; }

int texture(const Picture& p, int x, int y) {
  constexpr int frequency = 256 / 8;
  return triangle(frequency * (p.down ? x : y) + p.phase) * p.contrast / 64;
}

bool in_disc(const Picture& p, int x, int y) {
  const int dx = x - p.centre_x;
  const int dy = y - p.centre_y;
  return dx * dx + dy * dy <= p.radius_squared;
}

// Noise in {-31, ..., 31}: the sum of two 5-bit numbers, the i-th of six in 64 random bits.
int noise(std::uint64_t bits, int i) {
  const auto pair = static_cast<int>(bits >> (10 * i) & 1023);
  return (pair & 31) + (pair >> 5) - 31;
}

void paint(const Picture& p, Rng& rng, std::span<std::uint8_t> out) {
  std::uint64_t bits = 0;
  for (int i = 0; i < side * side; ++i) {
    const int x = i % side;
    const int y = i / side;
    const bool inside = in_disc(p, x, y);
    const Colour& colour = inside ? p.disc : p.background;
    const int light = (p.light_x * (x - 16) + p.light_y * (y - 16)) / side;
    const int shade = light + (inside ? texture(p, x, y) : 0);
    bits = i % 2 == 0 ? rng.bits() : bits >> 30;
    for (std::size_t k = 0; k < channels; ++k) {
      const int value = colour[k] + shade + noise(bits, static_cast<int>(k));
      out[k * side * side + static_cast<std::size_t>(i)] =
          static_cast<std::uint8_t>(std::clamp(value, 0, 255));
    }
  }
}

}  // namespace

ImageSet synthetic_images(Index n, std::uint64_t seed) {
  ImageSet set(n);
  Rng root(seed);
  const std::uint64_t label_key = root.split().seed();
  const std::uint64_t picture_key = root.split().seed();
  std::array<std::int32_t, classes> labels{};
  for (Index i = 0; i < n; ++i) {
    const auto stream = static_cast<std::uint64_t>(i);
    if (i % classes == 0) Rng(label_key, stream / classes).permutation(labels);
    set.labels[static_cast<std::size_t>(i)] = labels[static_cast<std::size_t>(i % classes)];
    Rng rng(picture_key, stream);
    paint(draw_picture(set.labels[static_cast<std::size_t>(i)], rng), rng, set.image(i));
  }
  return set;
}

}  // namespace tapegrad::data
