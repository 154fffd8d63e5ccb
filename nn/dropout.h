// Dropout.
#pragma once

#include "nn/module.h"
#include "tensor/random.h"

namespace tapegrad::nn {

/// In training mode (the start), zero with probability p and x / (1 - p) otherwise, drawn anew at
/// every recorded forward from a generator of its own; in evaluation mode the identity. Under
/// NoGrad it drops what the next recorded forward is going to drop: looking changes nothing. See
/// tapegrad::dropout. Throws OptionError unless 0 <= p < 1, at the first forward.
template <Scalar T>
class Dropout final : public Module<T> {
 public:
  Dropout(double p, Rng& rng) : p_(p), rng_(rng.split()) {}

  Var<T> forward(Var<T> x) override {
    if (!training_) return x;
    Rng next = rng_;
    const Rng key = next.split();
    if (x.tape().recording()) rng_ = next;
    return dropout(x, p_, key);
  }
  void set_training(bool on) override { training_ = on; }

 private:
  double p_;
  Rng rng_;
  bool training_ = true;
};

}  // namespace tapegrad::nn
