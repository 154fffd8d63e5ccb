// Layers one after the other.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace tapegrad::nn {

/// y = last(... second(first(x))). Parameters are named by the layer's place: "0.weight", "2.bias".
template <Scalar T>
class Sequential final : public Module<T> {
 public:
  /// Makes a layer and appends it: net.add<nn::Linear<float>>(3072, 50, rng).
  template <class Layer, class... Args>
  Layer& add(Args&&... args) {
    auto layer = std::make_unique<Layer>(std::forward<Args>(args)...);
    Layer& added = *layer;
    layers_.push_back(std::move(layer));
    return added;
  }

  Var<T> forward(Var<T> x) override {
    for (const auto& layer : layers_) x = layer->forward(x);
    return x;
  }

  void collect(ParameterList<T>& all) override {
    for (std::size_t i = 0; i < layers_.size(); ++i) all.add(std::to_string(i), *layers_[i]);
  }

 private:
  std::vector<std::unique_ptr<Module<T>>> layers_;
};

}  // namespace tapegrad::nn
