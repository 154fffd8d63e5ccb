// Dropout.
#pragma once

#include "nn/module.h"
#include "tensor/options.h"
#include "tensor/random.h"

namespace tapegrad::nn {

/// In training mode (the start), zero with probability p and x / (1 - p) otherwise, drawn anew at
/// every forward from a generator of its own; in evaluation mode the identity. See
/// tapegrad::dropout. Throws OptionError unless 0 <= p < 1.
template <Scalar T>
class Dropout final : public Module<T> {
 public:
  Dropout(double p, Rng& rng) : p_(p), rng_(rng.split()) { require_fraction("Dropout: p", p); }

  Var<T> forward(Var<T> x) override { return training_ ? dropout(x, p_, rng_.split()) : x; }
  void collect(ParameterList<T>& all) override { all.add("rng", rng_); }
  void set_training(bool on) override { training_ = on; }

 private:
  double p_;
  Rng rng_;
  bool training_ = true;
};

}  // namespace tapegrad::nn
