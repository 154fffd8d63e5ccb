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

/// y = x where x > 0, else slope x.
template <Scalar T>
class LeakyRelu final : public Module<T> {
 public:
  explicit LeakyRelu(double slope = 0.01) : slope_(slope) {}
  Var<T> forward(Var<T> x) override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};

/// y = ln(1 + e^x).
template <Scalar T>
class Softplus final : public Module<T> {
 public:
  Var<T> forward(Var<T> x) override { return softplus(x); }
};

/// y = x F(x), F the standard normal's distribution function.
template <Scalar T>
class Gelu final : public Module<T> {
 public:
  Var<T> forward(Var<T> x) override { return gelu(x); }
};

}  // namespace tapegrad::nn
