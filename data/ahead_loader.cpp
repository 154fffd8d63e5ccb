#include "data/ahead_loader.h"

#include <utility>

#include "tensor/runtime.h"

namespace tapegrad::data {

template <Real T>
AheadLoader<T>::AheadLoader(const ImageSet& images, const Standardizer& standardizer,
                            Index batch_size, Rng rng, Order order, Augment augment)
    : moves_images_(augment.any()),
      loaders_{Loader<T>(images, standardizer, batch_size, rng, order, augment),
               Loader<T>(images, standardizer, batch_size, rng, order, augment)},
      thread_([this] { work(); }) {}

template <Real T>
AheadLoader<T>::~AheadLoader() {
  settle();
  state_ = State::stopped;
  state_.notify_one();
}

// The thread's life: gathers what is requested.
template <Real T>
void AheadLoader<T>::work() {
  for (;;) {
    const State state = state_;
    if (state == State::stopped) return;
    if (claim()) {
      gather(&Loader<T>::next_alone);
      state_.notify_one();
    } else {
      state_.wait(state);
    }
  }
}

// Whether the requested batch is now this thread's to gather.
template <Real T>
bool AheadLoader<T>::claim() {
  State expected = State::requested;
  return state_.compare_exchange_strong(expected, State::gathering);
}

// Whether the batch is now the caller's to gather.
template <Real T>
bool AheadLoader<T>::take_back() {
  if (state_ != State::left) return claim();
  state_ = State::gathering;
  return true;
}

template <Real T>
void AheadLoader<T>::gather(Batch<T> (Loader<T>::*take)()) {
  try {
    Loader<T>& loader = loaders_[static_cast<std::size_t>(position_ % 2)];
    loader.seek(position_);
    ready_ = (loader.*take)();
  } catch (...) {
    error_ = std::current_exception();
  }
  state_ = State::ready;
}

// What another core has decoded takes a processor longer to read: on several threads, longer than
// decoding takes them. Moving images takes longer still.
template <Real T>
void AheadLoader<T>::request() {
  if (threads() > 1 && !moves_images_) {
    state_ = State::left;
  } else {
    state_ = State::requested;
    state_.notify_one();
  }
}

// Takes a request back, or waits for what is being gathered: afterwards the thread rests.
template <Real T>
void AheadLoader<T>::settle() {
  if (take_back()) {
    state_ = State::ready;
    return;
  }
  state_.wait(State::gathering);
}

template <Real T>
Batch<T> AheadLoader<T>::next() {
  if (take_back()) {
    gather(&Loader<T>::next);
  } else {
    state_.wait(State::gathering);
  }
  if (error_) {
    const std::exception_ptr error = std::exchange(error_, nullptr);
    request();
    std::rethrow_exception(error);
  }
  loaders_[0].require_unchanged();
  const Batch<T> batch = ready_;
  ++position_;
  request();
  return batch;
}

template <Real T>
void AheadLoader<T>::seek(Index position) {
  require_position(position);
  settle();
  position_ = position;
  error_ = nullptr;
  request();
}

template class AheadLoader<float>;
template class AheadLoader<double>;

}  // namespace tapegrad::data
