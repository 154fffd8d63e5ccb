// Batch normalization.
#pragma once

#include "nn/module.h"
#include "tensor/options.h"

namespace tapegrad::nn {

/// y = weight (x - mean) / (var + eps)^(1/2) + bias, channel by channel: x [N, C] or [N, C, H, W].
/// Parameters "weight" [C], ones, and "bias" [C], zeros, are trained. "running_mean" [C], zeros,
/// and "running_var" [C], ones, are frozen parameters, so that they are saved, loaded and copied
/// with the rest; no tape records them and no optimizer moves them.
///
/// In training mode (the start) mean and var are the batch's own, and every forward on a recording
/// tape moves the running ones: running += momentum (batch - running), the batch's variance divided
/// by n - 1 (as PyTorch does; by n when n is 1). NoGrad tapes leave them alone, so a look at the
/// model does not change it. In evaluation mode mean and var are the running ones. Throws
/// OptionError unless 0 <= momentum <= 1 and eps is at least 0 and finite.
template <Scalar T>
class BatchNorm final : public Module<T> {
 public:
  explicit BatchNorm(Index channels, double momentum = 0.1, double eps = 1e-5)
      : weight(Tensor<T>({channels}, 1)),
        bias(Tensor<T>({channels})),
        running_mean(Tensor<T>({channels}), Role::statistic),
        running_var(Tensor<T>({channels}, 1), Role::statistic),
        momentum_(momentum),
        eps_(eps) {
    require_share("BatchNorm: momentum", momentum);
    require_size("BatchNorm: eps", eps);
  }

  Var<T> forward(Var<T> x) override {
    const Var<T> gamma = x.tape().parameter(weight);
    const Var<T> beta = x.tape().parameter(bias);
    if (!training_) {
      return batch_norm(x, gamma, beta, running_mean.value(), running_var.value(), eps_);
    }
    BatchStatistics<T> batch;
    const Var<T> y = batch_norm(x, gamma, beta, eps_, &batch);
    if (x.tape().recording() && x.shape().size() > 0) {
      const Index n = x.shape().size() / weight.size();
      move(running_mean, batch.mean, T(1));
      move(running_var, batch.var, n > 1 ? number<T>(n) / number<T>(n - 1) : T(1));
    }
    return y;
  }

  void collect(ParameterList<T>& all) override {
    all.add("weight", weight).add("bias", bias);
    all.add("running_mean", running_mean).add("running_var", running_var);
  }

  void set_training(bool on) override { training_ = on; }

  Parameter<T> weight;
  Parameter<T> bias;
  Parameter<T> running_mean;
  Parameter<T> running_var;

 private:
  void move(Parameter<T>& running, View<const T> batch, T correction) const {
    const View<T> to = running.write();
    for (Index c = 0; c < to.size(); ++c) to[c] += T(momentum_) * (correction * batch[c] - to[c]);
  }

  double momentum_;
  double eps_;
  bool training_ = true;
};

}  // namespace tapegrad::nn
