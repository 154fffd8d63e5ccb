// Elementwise functions as layers.
#pragma once

#include "nn/module.h"

namespace tapegrad::nn {

/// y = max(x, 0).
template <Scalar T>
class Relu final : public Module<T> {
 public:
  Var<T> forward(Var<T> x) override { return relu(x); }
};

/// y = tanh x.
template <Scalar T>
class Tanh final : public Module<T> {
 public:
  Var<T> forward(Var<T> x) override { return tanh(x); }
};

/// y = 1 / (1 + e^-x).
template <Scalar T>
class Sigmoid final : public Module<T> {
 public:
  Var<T> forward(Var<T> x) override { return sigmoid(x); }
};

}  // namespace tapegrad::nn
