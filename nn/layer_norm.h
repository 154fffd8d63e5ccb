// Layer normalization.
#pragma once

#include "nn/module.h"
#include "tensor/options.h"

namespace tapegrad::nn {

/// y = weight (x - mean) / (var + eps)^(1/2) + bias, row by row: x [..., size], mean and var along
/// the last axis. Parameters "weight" [size], ones, and "bias" [size], zeros. Throws OptionError
/// unless eps is at least 0 and finite.
template <Scalar T>
class LayerNorm final : public Module<T> {
 public:
  explicit LayerNorm(Index size, double eps = 1e-5)
      : weight(Tensor<T>({size}, 1)), bias(Tensor<T>({size})), eps_(eps) {
    require_size("LayerNorm: eps", eps);
  }

  Var<T> forward(Var<T> x) override {
    return layer_norm(x, x.tape().parameter(weight), x.tape().parameter(bias), eps_);
  }
  void collect(ParameterList<T>& all) override { all.add("weight", weight).add("bias", bias); }

  Parameter<T> weight;
  Parameter<T> bias;

 private:
  double eps_;
};

}  // namespace tapegrad::nn
