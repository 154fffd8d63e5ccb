// What finding the op where numbers stop being finite costs a training step: one network with the
// detector and one without, in turns.
#include "autograd/anomaly.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "autograd/ops.h"
#include "bench/support/clock.h"
#include "bench/support/images.h"
#include "bench/support/options.h"
#include "bench/support/report.h"
#include "data/loader.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"

namespace {

using namespace tapegrad;

/// Assignment 2's network and training.
class Training {
 public:
  Training(const data::ImageSet& images, const data::Standardizer& standardizer, bool detect)
      : batches_(images, standardizer, 100, Rng(2)) {
    Rng rng(1);
    net_.add<nn::Linear<float>>(images.features, 50, rng);
    net_.add<nn::Relu<float>>();
    net_.add<nn::Linear<float>>(50, 10, rng);
    sgd_.emplace(optim::decay_matrices(net_.parameters(), 0.02), optim::CyclicLr{});
    if (detect) detector_.emplace(net_.parameters());
  }

  void step() {
    const auto [x, y] = batches_.next();
    Tape<float> tape;
    if (detector_) tape.observe(&*detector_);
    tape.backward(softmax_cross_entropy(net_(tape.constant(x)), y));
    sgd_->step();
  }

  /// Microseconds of processor time per step.
  double run(int steps) {
    const bench::Stopwatch watch;
    for (int i = 0; i < steps; ++i) step();
    return 1e6 * watch.processor() / steps;
  }

  /// Whether a weight that is not finite ends the next step.
  bool notices_a_planted_number() {
    net_.parameters()[0].parameter->write()[7] = std::numeric_limits<float>::infinity();
    try {
      step();
    } catch (const AnomalyError& error) {
      fmt::print("planted: {}\n", error.what());
      return true;
    }
    return false;
  }

 private:
  nn::Sequential<float> net_;
  std::optional<optim::Sgd<float>> sgd_;
  std::optional<AnomalyDetector<float>> detector_;
  data::Loader<float> batches_;
};

void run(const bench::Counts& counts) {
  fmt::print("{}\n", bench::machine_description());
  const bench::Images images = bench::load_images(1);
  const auto standardizer = data::Standardizer::fit(images.set);
  const int rounds = counts.at("rounds");
  const int steps = counts.at("steps");
  fmt::print("a step of 3072-50-10, batch 100, {} {}, {} rounds of {} steps\n", images.set.size(),
             images.source, rounds, steps);
  Training off(images.set, standardizer, false);
  Training on(images.set, standardizer, true);
  off.run(steps);
  on.run(steps);
  std::vector<double> times_off, times_on, ratios;
  for (int i = 0; i < rounds; ++i) {
    // Who begins a round changes.
    const double first = (i % 2 == 0 ? off : on).run(steps);
    const double second = (i % 2 == 0 ? on : off).run(steps);
    times_off.push_back(i % 2 == 0 ? first : second);
    times_on.push_back(i % 2 == 0 ? second : first);
    ratios.push_back(times_on.back() / times_off.back());
  }
  fmt::print("  without the detector {:8.1f} us of processor time\n", bench::median(times_off));
  fmt::print("  with it              {:8.1f} us\n", bench::median(times_on));
  bench::print_target("with / without", bench::median(ratios), bench::Bound::at_most, 1.1, "");
  if (!on.notices_a_planted_number() || off.notices_a_planted_number()) {
    throw std::runtime_error("the detector was not where it should be");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::main_with_counts(argc, argv, {{"rounds", 40}, {"steps", 50}}, run);
}
