// The convolutional layer.
#pragma once

#include "nn/init.h"
#include "nn/module.h"
#include "tensor/random.h"

namespace tapegrad::nn {

/// Convolution with a square kernel: x [N, in, H, W] -> [N, out, H', W'], see tapegrad::conv2d.
/// Parameters "weight" [out, in, kernel, kernel], drawn as `init` says for in kernel^2 inputs and
/// out kernel^2 outputs, and "bias" [out], zeros.
template <Scalar T>
class Conv2d final : public Module<T> {
 public:
  Conv2d(Index in, Index out, Index kernel, Rng& rng, Conv2dOptions options = {},
         const Init& init = lecun())
      : weight(rng.normal<T>({out, in, kernel, kernel},
                             init(in * kernel * kernel, out * kernel * kernel))),
        bias(Tensor<T>({out})),
        options_(options) {}

  Var<T> forward(Var<T> x) override {
    return conv2d(x, x.tape().parameter(weight), x.tape().parameter(bias), options_);
  }
  void collect(ParameterList<T>& all) override { all.add("weight", weight).add("bias", bias); }

  Parameter<T> weight;
  Parameter<T> bias;

 private:
  Conv2dOptions options_;
};

}  // namespace tapegrad::nn
