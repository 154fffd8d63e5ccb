#include "examples/support/check_network.h"

#include <algorithm>

#include "nn/activations.h"
#include "nn/linear.h"

namespace tapegrad::examples {
namespace {

// lambda times the sum of squares of all matrices, in any scalar type.
template <Scalar T>
Var<T> sum_of_squares(Tape<T>& tape, const ParameterList<T>& parameters, double lambda) {
  Var<T> total = tape.constant(T(0));
  for (const auto& p : parameters) {
    if (p.parameter->shape().rank() < 2) continue;
    total = total + sum(square(tape.parameter(*p.parameter))) * T(lambda);
  }
  return total;
}

Tensor<Dual> to_dual(const Tensor<double>& x) {
  Tensor<Dual> out(x.shape());
  std::copy(x.begin(), x.end(), out.begin());
  return out;
}

}  // namespace

CheckBatch cut_batch(const data::ImageSet& images, const data::Standardizer& standardizer,
                     Index first, Index count, Index inputs, Index offset) {
  CheckBatch batch{Tensor<double>({count, inputs}), {}};
  std::vector<double> image(static_cast<std::size_t>(images.features));
  for (Index i = 0; i < count; ++i) {
    standardizer.apply<double>(images.image(first + i), image);
    std::copy_n(image.begin() + offset, inputs, batch.x.data() + i * inputs);
    batch.y.push_back(images.labels[static_cast<std::size_t>(first + i)]);
  }
  return batch;
}

template <Scalar T>
std::unique_ptr<nn::Sequential<T>> make_check_network(const CheckNetworkOptions& options) {
  Rng rng(options.seed);
  const auto init = [](double std) { return std > 0 ? nn::normal(std) : nn::lecun(); };
  auto net = std::make_unique<nn::Sequential<T>>();
  if (options.hidden == 0) {
    net->template add<nn::Linear<T>>(options.inputs, 10, rng, init(options.std));
    return net;
  }
  net->template add<nn::Linear<T>>(options.inputs, options.hidden, rng, init(options.std));
  net->template add<nn::Relu<T>>();
  net->template add<nn::Linear<T>>(options.hidden, 10, rng, init(options.second_std));
  return net;
}

CheckProblem::CheckProblem(const CheckNetworkOptions& options, CheckBatch batch, double lambda)
    : net_(make_check_network<double>(options)),
      twin_(make_check_network<Dual>(options)),
      batch_(std::move(batch)),
      dual_x_(to_dual(batch_.x)),
      lambda_(lambda) {}

Cost<double> CheckProblem::loss() {
  return [this](Tape<double>& tape) {
    return softmax_cross_entropy((*net_)(tape.constant(batch_.x)),
                                 std::span<const std::int32_t>(batch_.y));
  };
}

Cost<double> CheckProblem::cost() {
  return [this](Tape<double>& tape) {
    return loss()(tape) + sum_of_squares(tape, net_->parameters(), lambda_);
  };
}

DualTwin CheckProblem::twin() {
  return {twin_->parameters(), [this](Tape<Dual>& tape) {
            return softmax_cross_entropy((*twin_)(tape.constant(dual_x_)),
                                         std::span<const std::int32_t>(batch_.y)) +
                   sum_of_squares(tape, twin_->parameters(), lambda_);
          }};
}

template std::unique_ptr<nn::Sequential<double>> make_check_network(const CheckNetworkOptions&);
template std::unique_ptr<nn::Sequential<Dual>> make_check_network(const CheckNetworkOptions&);

}  // namespace tapegrad::examples
