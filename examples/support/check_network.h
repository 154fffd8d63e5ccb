// The small networks that gradients are checked on: an assignment's, cut to a few inputs.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "autograd/gradcheck.h"
#include "data/image_set.h"
#include "data/standardizer.h"
#include "nn/sequential.h"
#include "optim/param_group.h"

namespace tapegrad::examples {

/// A few standardised images, cut to their first dimensions.
struct CheckBatch {
  Tensor<double> x;
  std::vector<std::int32_t> y;
};

/// Images [first, first + count), dimensions [offset, offset + inputs).
CheckBatch cut_batch(const data::ImageSet& images, const data::Standardizer& standardizer,
                     Index first, Index count, Index inputs, Index offset = 0);

/// hidden = 0: one layer, as in assignment 1. `std` is that of the first layer's weights; 0:
/// 1/inputs is their variance.
struct CheckNetworkOptions {
  Index inputs = 20;
  Index hidden = 50;
  double std = 0;
  double second_std = 0;  // the same for the second layer
  std::uint64_t seed = 1;
};

/// The network in one scalar type.
template <Scalar T>
std::unique_ptr<nn::Sequential<T>> make_check_network(const CheckNetworkOptions& options);

/// A network in double and its twin in Dual, with a batch and the whole cost: mean cross-entropy
/// plus lambda times the sum of squares of the matrices.
class CheckProblem {
 public:
  CheckProblem(const CheckNetworkOptions& options, CheckBatch batch, double lambda);

  ParameterList<double> parameters() { return net_->parameters(); }
  Cost<double> cost();
  Cost<double> loss();
  DualTwin twin();

  const CheckBatch& batch() const { return batch_; }
  double lambda() const { return lambda_; }

 private:
  std::unique_ptr<nn::Sequential<double>> net_;
  std::unique_ptr<nn::Sequential<Dual>> twin_;
  CheckBatch batch_;
  Tensor<Dual> dual_x_;
  double lambda_;
};

}  // namespace tapegrad::examples
