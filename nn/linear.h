// The fully connected layer.
#pragma once

#include "nn/init.h"
#include "nn/module.h"
#include "tensor/random.h"

namespace tapegrad::nn {

/// y = x W^T + b: x [N, in] -> [N, out], or any leading axes in place of N. Parameters "weight"
/// [out, in], drawn as `init` says, and "bias" [out], zeros.
template <Scalar T>
class Linear final : public Module<T> {
 public:
  Linear(Index in, Index out, Rng& rng, const Init& init = lecun())
      : weight(rng.normal<T>({out, in}, init(in, out))), bias(Tensor<T>({out})) {}

  Var<T> forward(Var<T> x) override {
    return linear(x, x.tape().parameter(weight), x.tape().parameter(bias));
  }
  void collect(ParameterList<T>& all) override { all.add("weight", weight).add("bias", bias); }

  Parameter<T> weight;
  Parameter<T> bias;
};

}  // namespace tapegrad::nn
