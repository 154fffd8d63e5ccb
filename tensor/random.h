// Random numbers that are the same on any thread, in any order, with any compiler.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace tapegrad {

/// A stream of random numbers: a value, passed in and never global. The i-th number is a pure
/// function of (seed, stream, i): Philox4x32-10 of the counter (i, stream) under the key `seed`.
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
class Rng {
 public:
  /// The top bit of `stream` is not used.
  explicit Rng(std::uint64_t seed, std::uint64_t stream = 0)
      : seed_(seed), stream_(stream & ~split_bit) {}

  /// 64 random bits.
  std::uint64_t bits();

  /// Uniform on [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  /// Standard normal, by inverting the distribution function (Wichura 1988, algorithm AS 241).
  double normal();

  /// Uniform on {0, ..., n-1}, without bias. Throws OptionError for n < 1.
  Index below(Index n);

  /// An independent stream; successive splits differ from one another and from this stream.
  Rng split();

  /// Fills `order` with a uniformly random permutation of 0, ..., order.size()-1 (Fisher-Yates).
  void permutation(std::span<std::int32_t> order);

  /// A tensor of N(0, std^2) numbers, drawn in double so that every scalar type gets the same ones.
  template <Scalar T>
  Tensor<T> normal(const Shape& shape, double std);

  /// A tensor of numbers uniform on [low, high), drawn in double; rounded to float they can be
  /// `high`.
  template <Scalar T>
  Tensor<T> uniform(const Shape& shape, double low, double high);

  std::uint64_t seed() const { return seed_; }
  std::uint64_t stream() const { return stream_; }

  /// How many draws of 64 bits were made; setting it moves along the stream.
  std::uint64_t position() const { return position_; }
  void seek(std::uint64_t position) { position_ = position; }

  /// All there is to a stream, {seed, stream, position, splits}, and the stream with that state.
  std::array<std::uint64_t, 4> state() const { return {seed_, stream_, position_, splits_}; }
  static Rng from_state(const std::array<std::uint64_t, 4>& state);

  friend bool operator==(const Rng&, const Rng&) = default;

 private:
  // Streams that numbers are drawn from and streams that split() derives its children from differ
  // in this bit, so no child's seed is ever a number somebody drew.
  static constexpr std::uint64_t split_bit = std::uint64_t{1} << 63;

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t position_ = 0;
  std::uint64_t splits_ = 0;
};

}  // namespace tapegrad
