// Layers that make images smaller, or flat.
#pragma once

#include "nn/module.h"

namespace tapegrad::nn {

/// y = the largest number of every size x size window, `stride` apart (by default side by side):
/// x [N, C, H, W]; see tapegrad::max_pool2d.
template <Scalar T>
class MaxPool2d final : public Module<T> {
 public:
  explicit MaxPool2d(Index size) : MaxPool2d(size, size) {}
  MaxPool2d(Index size, Index stride) : size_(size), stride_(stride) {}
  Var<T> forward(Var<T> x) override { return max_pool2d(x, size_, stride_); }

 private:
  Index size_, stride_;
};

/// y = the mean of every size x size window, `stride` apart (by default side by side):
/// x [N, C, H, W]; see tapegrad::avg_pool2d.
template <Scalar T>
class AvgPool2d final : public Module<T> {
 public:
  explicit AvgPool2d(Index size) : AvgPool2d(size, size) {}
  AvgPool2d(Index size, Index stride) : size_(size), stride_(stride) {}
  Var<T> forward(Var<T> x) override { return avg_pool2d(x, size_, stride_); }

 private:
  Index size_, stride_;
};

/// Every sample as one row: x [N, ...] -> [N, the product of the rest]. A rank 0 x is refused.
template <Scalar T>
class Flatten final : public Module<T> {
 public:
  Var<T> forward(Var<T> x) override {
    const int first = x.shape().axis(0, "flatten");
    Index rest = 1;
    for (int i = first + 1; i < x.shape().rank(); ++i) rest *= x.shape()[i];
    return reshape(x, {x.shape()[first], rest});
  }
};

}  // namespace tapegrad::nn
