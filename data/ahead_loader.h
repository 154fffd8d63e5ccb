// Mini-batches that are ready before they are asked for.
#pragma once

#include <array>
#include <atomic>
#include <exception>
#include <thread>

#include "data/loader.h"

namespace tapegrad::data {

/// A Loader that gathers the next batch on a thread of its own while the caller works on the
/// present one: the same batches, bit for bit. Where no core is free for that, the caller gathers
/// what the thread has not begun, as Loader does; so it does where threads() share the
/// work and no image is moved, as each thread then decodes what it needs itself. Keeps references
/// as Loader does, and reads what they refer to at any time: neither may change while there is a
/// loader of it. Belongs to one thread at a time.
template <Real T>
class AheadLoader {
 public:
  /// Throws as Loader does. Starts gathering.
  AheadLoader(const ImageSet& images, const Standardizer& standardizer, Index batch_size, Rng rng,
              Order order = Order::shuffled, Augment augment = {});
  AheadLoader(const ImageSet&&, const Standardizer&, Index, Rng, Order = Order::shuffled,
              Augment = {}) = delete;
  AheadLoader(const ImageSet&, const Standardizer&&, Index, Rng, Order = Order::shuffled,
              Augment = {}) = delete;
  ~AheadLoader();
  AheadLoader(const AheadLoader&) = delete;
  AheadLoader& operator=(const AheadLoader&) = delete;

  /// The next batch; the one before it is overwritten meanwhile. Throws as Loader::next does.
  Batch<T> next();

  Index batch_size() const { return loaders_[0].batch_size(); }
  Index batches_per_epoch() const { return loaders_[0].batches_per_epoch(); }

  /// How many batches were handed out; setting it, as with Loader::seek, resumes there and
  /// overwrites the last one.
  Index position() const { return position_; }
  void seek(Index position);

 private:
  enum class State : int {
    requested,  // the batch is wanted of the thread, nobody has begun
    left,       // the caller will gather it
    gathering,  // somebody is at it
    ready,      // it can be handed out
    stopped     // no more are wanted
  };

  void work();
  bool claim();
  bool take_back();
  void gather(Batch<T> (Loader<T>::*take)());
  void request();
  void settle();

  bool moves_images_;

  // Batches alternate between two loaders, so that one is filled while the other is read.
  std::array<Loader<T>, 2> loaders_;
  Index position_ = 0;        // of the batch that next() hands out
  Batch<T> ready_{};          // that batch, once gathered
  std::exception_ptr error_;  // or why there is none
  std::atomic<State> state_ = State::requested;
  std::jthread thread_;
};

}  // namespace tapegrad::data
