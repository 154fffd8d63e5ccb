// Random changes to training images that keep what they show.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/random.h"

namespace tapegrad::data {

/// Which changes an image may undergo each time it is loaded.
struct Augment {
  bool flip = false;    // mirrored left to right, with probability 1/2
  Index max_shift = 0;  // moved by up to so many rows and columns, uniformly; 0 to side - 1

  bool any() const { return flip || max_shift != 0; }
};

/// What happens to one image: first mirrored, then moved down and to the right.
struct Move {
  bool flip = false;
  Index down = 0;
  Index right = 0;

  friend bool operator==(const Move&, const Move&) = default;
};

/// The i-th move of a stream: a pure function of (rng, i).
Move draw_move(const Augment& augment, Rng rng, std::uint64_t i);

/// The side of pictures with so many bytes, [3, side, side]. Throws DataError when they are not
/// such pictures, or max_shift is outside 0 .. side - 1.
Index augmented_side(const Augment& augment, Index features);

/// `image` [3, side, side] moved; what comes in from outside is any byte, for clear_outside to
/// clear. Both hold 3 side^2 bytes and do not overlap; |down|, |right| < side.
void move_image(std::span<const std::uint8_t> image, const Move& move, Index side,
                std::span<std::uint8_t> moved);

/// Sets to 0 what came in from outside: after standardising, the training images' mean.
template <Real T>
void clear_outside(const Move& move, Index side, std::span<T> x);

}  // namespace tapegrad::data
