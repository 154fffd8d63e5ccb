#include "data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "tensor/error.h"
#include "tensor/pieces.h"
#include "tensor/runtime.h"

namespace tapegrad::data {
namespace {

void require_features(const ImageSet& images, const Standardizer& standardizer, const char* op) {
  if (images.features != standardizer.features()) {
    throw DataError(fmt::format("{}: images of {} bytes but a standardizer for {}", op,
                                images.features, standardizer.features()));
  }
}

Index checked_batch_size(const ImageSet& images, const Standardizer& standardizer,
                         Index batch_size) {
  require_images(images, "loader");
  require_features(images, standardizer, "loader");
  if (images.size() > std::numeric_limits<std::int32_t>::max()) {
    throw DataError(fmt::format("loader: {} images are more than 2^31 - 1", images.size()));
  }
  if (batch_size < 1 || batch_size > images.size()) {
    throw DataError(fmt::format("loader: batch size {} with {} images: need 1 to {}", batch_size,
                                images.size(), images.size()));
  }
  return batch_size;
}

// Each epoch has its own streams, one for the order and one for augmentation, under keys that
// depend on nothing but `rng`.
Rng of_epoch(Rng key, Index epoch) {
  return Rng(key.seed(), key.stream() + static_cast<std::uint64_t>(epoch));
}
Rng order_stream(Rng rng, Index epoch) { return of_epoch(rng.split(), epoch); }
Rng augment_stream(Rng rng, Index epoch) {
  rng.split();
  return of_epoch(rng.split(), epoch);
}

template <Real T>
std::span<T> rows(View<T> x, Index first, Index count) {
  const Index columns = x.shape()[1];
  return x.span().subspan(static_cast<std::size_t>(first * columns),
                          static_cast<std::size_t>(count * columns));
}

// Of n rows. They are decoded faster the more of them there are, as the next images are asked for
// meanwhile: one piece for each thread, or a few where these would be long.
Index rows_per_piece(Index n, Index features) {
  constexpr Index long_piece = 64;
  const Index count = threads();
  if (count == 1) return std::max<Index>(n, 1);
  const Index pieces = count * std::clamp<Index>(n / (count * long_piece), 1, 4);
  return std::max({(n + pieces - 1) / pieces, kernels::elements_per_piece / features, Index{1}});
}

// Rows [first, last) of x = image(i) standardised, for each row i; some at a time, which is faster.
template <Real T, class Image>
void standardize_rows(const Standardizer& standardizer, Index first, Index last, Image image,
                      View<T> x) {
  std::array<std::span<const std::uint8_t>, 128> images;
  for (Index i = first; i < last;) {
    const Index count = std::min(last - i, std::ssize(images));
    for (Index r = 0; r < count; ++r) images[static_cast<std::size_t>(r)] = image(i + r);
    standardizer.apply<T>(std::span(images).first(static_cast<std::size_t>(count)),
                          rows(x, i, count));
    i += count;
  }
}

}  // namespace

void require_position(Index position) {
  if (position >= 0 && position < Index{1} << 62) return;
  throw DataError(fmt::format("loader: no batch {}", position));
}

template <Real T>
Loader<T>::Loader(const ImageSet& images, const Standardizer& standardizer, Index batch_size,
                  Rng rng, Order order, Augment augment)
    : images_(&images),
      standardizer_(&standardizer),
      rng_(rng),
      order_(order),
      augment_(augment),
      x_({checked_batch_size(images, standardizer, batch_size), images.features}),
      y_(static_cast<std::size_t>(batch_size)) {
  image_order_.resize(static_cast<std::size_t>(images.size()));
  std::iota(image_order_.begin(), image_order_.end(), 0);
  if (!augment_.any()) return;
  side_ = augmented_side(augment_, images.features);
  moved_.resize(static_cast<std::size_t>(images.features));
}

template <Real T>
void Loader<T>::prepare_order() {
  if (order_ == Order::sequential || epoch() == prepared_epoch_) return;
  prepared_epoch_ = epoch();
  order_stream(rng_, prepared_epoch_).permutation(image_order_);
}

template <Real T>
void Loader<T>::load_moved(Index image, Rng moves, std::span<T> x) {
  const Move move = draw_move(augment_, moves, static_cast<std::uint64_t>(image));
  move_image(images_->image(image), move, side_, moved_);
  standardizer_->apply<T>(moved_, x);
  clear_outside(move, side_, x);
}

template <Real T>
void Loader<T>::require_unchanged() const {
  if (images_->size() != std::ssize(image_order_)) {
    throw DataError(fmt::format("loader: made for {} images, but the set has {} now",
                                image_order_.size(), images_->size()));
  }
  require_images(*images_, "loader");
  if (images_->features == x_.shape()[1] && standardizer_->features() == x_.shape()[1]) return;
  throw DataError(fmt::format(
      "loader: made for images of {} bytes, but they have {} now and the standardizer is for {}",
      x_.shape()[1], images_->features, standardizer_->features()));
}

template <Real T>
void Loader<T>::prepare() {
  require_unchanged();
  prepare_order();
}

// Rows [first, last) of the batch.
template <Real T>
void Loader<T>::load_rows(Index first, Index last) {
  const std::int32_t* sources =
      image_order_.data() + position_ % batches_per_epoch() * batch_size();
  if (augment_.any()) {
    const Rng moves = augment_stream(rng_, epoch());
    for (Index i = first; i < last; ++i) load_moved(sources[i], moves, rows(x_.view(), i, 1));
  } else {
    standardize_rows(
        *standardizer_, first, last, [=, this](Index i) { return images_->image(sources[i]); },
        x_.view());
  }
  for (Index i = first; i < last; ++i) {
    y_[static_cast<std::size_t>(i)] = images_->labels[static_cast<std::size_t>(sources[i])];
  }
}

template <Real T>
Batch<T> Loader<T>::hand_out() {
  ++position_;
  return {x_, y_};
}

template <Real T>
Batch<T> Loader<T>::next() {
  if (augment_.any()) return next_alone();  // there is room for one moved image
  prepare();
  kernels::for_each_piece(batch_size(), rows_per_piece(batch_size(), images_->features),
                          [this](Index first, Index last) { load_rows(first, last); });
  return hand_out();
}

template <Real T>
Batch<T> Loader<T>::next_alone() {
  prepare();
  load_rows(0, batch_size());
  return hand_out();
}

template <Real T>
void Loader<T>::seek(Index position) {
  require_position(position);
  position_ = position;
}

template <Real T>
Batch<T> gather(const ImageSet& images, const Standardizer& standardizer, Index begin,
                View<T> out) {
  require_images(images, "gather");
  require_features(images, standardizer, "gather");
  if (out.shape().rank() != 2 || out.shape()[1] != images.features) {
    throw DataError(fmt::format("gather: out is {} but images have {} bytes: need [n, {}]",
                                to_string(out.shape()), images.features, images.features));
  }
  const Index n = out.shape()[0];
  if (begin < 0 || begin > images.size() || n > images.size() - begin) {
    throw DataError(fmt::format("gather: {} images from {} on asked for: there are {}", n, begin,
                                images.size()));
  }
  kernels::for_each_piece(n, rows_per_piece(n, images.features), [&](Index first, Index last) {
    standardize_rows(
        standardizer, first, last, [&](Index i) { return images.image(begin + i); }, out);
  });
  return {out, std::span(images.labels)
                   .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(n))};
}

template class Loader<float>;
template class Loader<double>;
template Batch<float> gather(const ImageSet&, const Standardizer&, Index, View<float>);
template Batch<double> gather(const ImageSet&, const Standardizer&, Index, View<double>);

}  // namespace tapegrad::data
