// Images to mini-batches of standardised numbers.
#pragma once

#include <span>
#include <vector>

#include "data/augment.h"
#include "data/image_set.h"
#include "data/standardizer.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace tapegrad::data {

/// Standardised images x [n, features] and their labels y [n], both borrowed:
/// `const auto [x, y] = loader.next();`
template <Real T>
struct Batch {
  View<const T> x;
  std::span<const std::int32_t> y;
};

/// Whether each epoch visits the images in a new random order or in their own.
enum class Order { shuffled, sequential };

/// Hands out mini-batches, epoch after epoch. An epoch's last, incomplete batch is dropped. The
/// order of epoch e is a pure function of (rng, e), and what augmentation does to image i in it of
/// (rng, e, i), the same for float and double. An augmented image is standardised with the
/// statistics of the places it is moved to; what comes in from outside is 0 then. Keeps references:
/// the image set and the standardizer must outlive the loader. Allocates only when constructed, but
/// for threads that are not there yet.
template <Real T>
class Loader {
 public:
  /// Throws DataError unless 1 <= batch_size <= images.size() <= 2^31 - 1, the standardizer is for
  /// images of this many features, and these can be augmented as asked for.
  Loader(const ImageSet& images, const Standardizer& standardizer, Index batch_size, Rng rng,
         Order order = Order::shuffled, Augment augment = {});
  Loader(const ImageSet&&, const Standardizer&, Index, Rng, Order = Order::shuffled,
         Augment = {}) = delete;
  Loader(const ImageSet&, const Standardizer&&, Index, Rng, Order = Order::shuffled,
         Augment = {}) = delete;

  /// The next batch, in buffers that are overwritten by the next call; the threads of
  /// set_threads share its images, unless these are augmented. Throws as require_unchanged
  /// does.
  Batch<T> next();

  /// Throws DataError when the set or the standardizer has another size than when the loader was
  /// made.
  void require_unchanged() const;

  /// The same on this thread alone, which leaves the others to what they are at.
  Batch<T> next_alone();

  Index batch_size() const { return x_.shape()[0]; }

  /// floor(images / batch_size).
  Index batches_per_epoch() const { return std::ssize(image_order_) / batch_size(); }

  /// The epoch the next batch belongs to, from 0: how many were handed out completely.
  Index epoch() const { return position_ / batches_per_epoch(); }

  /// How many batches were handed out; setting it (from 0 to below 2^62, else DataError) resumes
  /// there.
  Index position() const { return position_; }
  void seek(Index position);

 private:
  void prepare();
  void prepare_order();
  Batch<T> hand_out();
  void load_rows(Index first, Index last);
  void load_moved(Index image, Rng moves, std::span<T> x);

  const ImageSet* images_;
  const Standardizer* standardizer_;
  Rng rng_;
  Order order_;
  Index position_ = 0;
  Index prepared_epoch_ = -1;
  std::vector<std::int32_t> image_order_;
  Augment augment_;
  Index side_ = 0;                   // of the pictures, when they are augmented
  std::vector<std::uint8_t> moved_;  // one of them
  Tensor<T> x_;
  std::vector<std::int32_t> y_;
};

/// Throws DataError unless 0 <= position < 2^62: as many batches as nobody takes.
void require_position(Index position);

/// The images [begin, begin + n) standardised into `out` [n, features], and their labels: for
/// evaluating a set block by block, shared as Loader::next is. The result borrows from `out` and
/// `images`. Throws DataError when `out` is not a matrix of that many columns or the set has no
/// such images.
template <Real T>
Batch<T> gather(const ImageSet& images, const Standardizer& standardizer, Index begin, View<T> out);
template <Real T>
Batch<T> gather(const ImageSet&&, const Standardizer&, Index, View<T>) = delete;

}  // namespace tapegrad::data
