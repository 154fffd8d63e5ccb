// The training in PyTorch's C++ library.
#include <torch/torch.h>

#include "bench/support/peer.h"

namespace {

using namespace tapegrad;
using bench::Problem;
using bench::Settings;

torch::Tensor borrow(const Tensor<float>& t) {
  return torch::from_blob(const_cast<float*>(t.data()), {t.shape()[0], t.shape()[1]});
}

torch::nn::Sequential make_network(const Problem& problem) {
  const torch::NoGradGuard no_grad;
  torch::nn::Sequential net;
  for (std::size_t i = 0; i < problem.weights.size(); ++i) {
    if (i > 0) net->push_back(torch::nn::ReLU());
    torch::nn::Linear linear(problem.widths[i], problem.widths[i + 1]);
    linear->weight.copy_(borrow(problem.weights[i]));
    linear->bias.zero_();
    net->push_back(linear);
  }
  return net;
}

torch::optim::SGD make_sgd(const std::vector<torch::Tensor>& parameters, double lambda) {
  std::vector<torch::Tensor> matrices;
  std::vector<torch::Tensor> vectors;
  for (const torch::Tensor& p : parameters) (p.dim() == 2 ? matrices : vectors).push_back(p);
  const auto options = [](double decay) {
    return std::make_unique<torch::optim::SGDOptions>(
        torch::optim::SGDOptions(1).weight_decay(decay));
  };
  return torch::optim::SGD({torch::optim::OptimizerParamGroup(matrices, options(2 * lambda)),
                            torch::optim::OptimizerParamGroup(vectors, options(0))},
                           torch::optim::SGDOptions(1));
}

// Images and labels as LibTorch keeps them, and the order of the batches.
struct Data {
  explicit Data(const Problem& problem)
      : rows(problem.standardised()),
        x(borrow(rows)),
        y(torch::tensor(problem.images.labels, torch::kInt64)),
        order(torch::tensor(problem.order, torch::kInt64)),
        batch(problem.batch) {}

  Tensor<float> rows;
  torch::Tensor x, y, order;
  std::int64_t batch;
};

class InLibTorch final : public bench::Training {
 public:
  InLibTorch(const Problem& problem, const Data& data, const Settings& settings)
      : data_(data),
        settings_(settings),
        net_(make_network(problem)),
        parameters_(net_->parameters()),
        sgd_(make_sgd(parameters_, settings.lambda)),
        x_(torch::empty({data.batch, data.x.size(1)})),
        y_(torch::empty({data.batch}, torch::kInt64)) {}

  void step() override {
    const std::int64_t begin = step_ % (data_.order.size(0) / data_.batch) * data_.batch;
    const torch::Tensor rows = data_.order.narrow(0, begin, data_.batch);
    torch::index_select_out(x_, data_.x, 0, rows);
    torch::index_select_out(y_, data_.y, 0, rows);
    for (torch::Tensor& p : parameters_) p.mutable_grad().reset();  // zero_grad() would fill
    loss_ = torch::nn::functional::cross_entropy(net_->forward(x_), y_);
    loss_.backward();
    const double lr = settings_.lr(step_++);
    for (auto& group : sgd_.param_groups()) group.options().set_lr(lr);
    sgd_.step();
  }

  double loss() const override { return static_cast<double>(loss_.item<float>()); }

 private:
  const Data& data_;
  Settings settings_;
  std::int64_t step_ = 0;
  torch::nn::Sequential net_;
  std::vector<torch::Tensor> parameters_;
  torch::optim::SGD sgd_;
  torch::Tensor x_, y_, loss_;
};

bench::Begin prepare(const Problem& problem) {
  torch::set_num_threads(problem.threads);
  const auto data = std::make_shared<Data>(problem);
  return [&problem, data](const Settings& settings) {
    return std::make_unique<InLibTorch>(problem, *data, settings);
  };
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve(std::span(argv, static_cast<std::size_t>(argc)).subspan(1),
                      "LibTorch " TORCH_VERSION, prepare);
}
