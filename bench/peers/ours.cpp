// The training as a user of tapegrad writes it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "autograd/ops.h"
#include "bench/support/clock.h"
#include "bench/support/peer.h"
#include "data/ahead_loader.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "tensor/runtime.h"

namespace {

using namespace tapegrad;
using bench::Problem;
using bench::Settings;

void build(nn::Sequential<float>& net, const Problem& problem) {
  Rng unused(1);
  for (std::size_t i = 0; i < problem.weights.size(); ++i) {
    if (i > 0) net.add<nn::Relu<float>>();
    auto& linear = net.add<nn::Linear<float>>(problem.widths[i], problem.widths[i + 1], unused);
    const auto w = problem.weights[i].span();
    std::copy(w.begin(), w.end(), linear.weight.write().begin());
  }
}

template <class Loader>
class Ours final : public bench::Training {
 public:
  Ours(const Problem& problem, const data::Standardizer& standardizer, const Settings& settings)
      : batches_(problem.images, standardizer, problem.batch, Rng(bench::order_seed)) {
    build(net_, problem);
    sgd_.emplace(optim::decay_matrices(net_.parameters(), 2 * settings.lambda),
                 optim::CyclicLr{.half_cycle = settings.half_cycle});
  }

  void step() override {
    const bench::Stopwatch watch;
    std::array<double, part_count + 1> at{};
    const auto [x, y] = batches_.next();
    at[1] = watch.wall();
    Tape<float> tape;
    const Var loss = softmax_cross_entropy(net_(tape.constant(x)), y);
    at[2] = watch.wall();
    sgd_->minimize(loss);
    at[3] = watch.wall();
    loss_ = static_cast<double>(loss.item());
    for (std::size_t i = 0; i < part_count; ++i) parts_[i] += at[i + 1] - at[i];
    ++steps_;
  }

  double loss() const override { return loss_; }

  /// Wall microseconds per step of the three parts.
  std::string note() override {
    std::string text;
    for (const double part : parts_) text += fmt::format("{:.1f} ", part / steps_ * 1e6);
    parts_ = {};
    steps_ = 0;
    return text;
  }

 private:
  static constexpr std::size_t part_count = 3;  // next batch, forward, backward and update

  nn::Sequential<float> net_;
  std::optional<optim::Sgd<float>> sgd_;
  Loader batches_;
  double loss_ = 0;
  std::array<double, part_count> parts_{};
  double steps_ = 0;
};

bench::Begin prepare(const Problem& problem) {
  set_threads(problem.threads);
  const auto standardizer =
      std::make_shared<data::Standardizer>(data::Standardizer::fit(problem.images));
  return [&problem, standardizer](const Settings& settings) -> std::unique_ptr<bench::Training> {
    if (problem.threads > 1) {
      return std::make_unique<Ours<data::AheadLoader<float>>>(problem, *standardizer, settings);
    }
    return std::make_unique<Ours<data::Loader<float>>>(problem, *standardizer, settings);
  };
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve(std::span(argv, static_cast<std::size_t>(argc)).subspan(1),
                      "tapegrad, " + build_info(), prepare);
}
