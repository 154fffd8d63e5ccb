// Checks the gradients of both assignments' networks against finite differences.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/gradcheck.h"
#include "data/loader.h"
#include "examples/support/command_line.h"
#include "examples/support/dataset.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/param_group.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

constexpr Index inputs =
    20;  // the first dimensions of an image, so that every element can be checked

struct Options {
  DatasetOptions data;
  Index seeds = 1;
  double h = 1e-5;
  std::string difference = "centred";
  bool quiet = false;
};

// What is demanded of every parameter of every network, batch size, penalty and seed.
constexpr double largest_sum_relative = 2e-8;
constexpr double largest_kink_share = 0.01;

struct Network {
  const char* name;
  Index hidden;  // 0: one layer
};
constexpr Network networks[] = {{"assignment 1: 20-10", 0}, {"assignment 2: 20-50-10", 50}};
constexpr Index batch_sizes[] = {1, 50, 100};
constexpr double lambdas[] = {0, 0.001};

// The worst over many checks.
struct Worst {
  double sum_relative = 0;
  double kink_share = 0;
  bool entries_passed = true;

  void add(const GradcheckReport& report) {
    entries_passed = entries_passed && report.passed();
    Index kinks = 0, elements = 0;
    for (const ParameterCheck& p : report.parameters) {
      const double r = p.metrics.sum_relative;
      if (!(r <= sum_relative) && !std::isnan(sum_relative)) sum_relative = r;  // NaN stays
      kinks += p.kinks;
      elements += p.shape.size();
    }
    kink_share = std::max(kink_share, static_cast<double>(kinks) / static_cast<double>(elements));
  }
  bool passed() const {
    return entries_passed && sum_relative < largest_sum_relative &&
           kink_share <= largest_kink_share;
  }
};

struct Batch {
  Tensor<double> x;
  std::vector<std::int32_t> y;
};

Batch first_images(const Dataset& images, Index n) {
  Batch batch{Tensor<double>({n, inputs}), {}};
  std::vector<double> image(static_cast<std::size_t>(images.train.features));
  for (Index i = 0; i < n; ++i) {
    images.standardizer.apply<double>(images.train.image(i), image);
    std::copy_n(image.begin(), inputs, batch.x.data() + i * inputs);
    batch.y.push_back(images.train.labels[static_cast<std::size_t>(i)]);
  }
  return batch;
}

GradcheckReport check(const Network& network, const Batch& batch, double lambda, std::uint64_t seed,
                      const GradcheckOptions& options) {
  Rng rng(seed);
  nn::Sequential<double> net;
  if (network.hidden > 0) {
    net.add<nn::Linear<double>>(inputs, network.hidden, rng);
    net.add<nn::Relu<double>>();
  }
  net.add<nn::Linear<double>>(network.hidden > 0 ? network.hidden : inputs, 10, rng);
  const auto groups = optim::decay_matrices(net.parameters(), 2 * lambda);
  return gradcheck(
      net.parameters(),
      [&](Tape<double>& tape) {
        const Var<double> logits = net(tape.constant(batch.x));
        return softmax_cross_entropy(logits, batch.y) + optim::penalty(tape, groups);
      },
      options);
}

int run(const Options& options) {
  const GradcheckOptions how{
      .difference = options.difference == "centred" ? Difference::centred : Difference::forward,
      .h = options.h};
  const Dataset images = load_dataset(options.data);
  fmt::print("{}\n{} differences, h = {:g}, double precision\n", images.source, options.difference,
             how.h);
  Worst worst;
  for (const Network& network : networks) {
    for (const Index batch_size : batch_sizes) {
      const Batch batch = first_images(images, batch_size);
      for (const double lambda : lambdas) {
        for (Index seed = 1; seed <= options.seeds; ++seed) {
          const GradcheckReport report =
              check(network, batch, lambda, static_cast<std::uint64_t>(seed), how);
          worst.add(report);
          if (options.quiet) continue;
          fmt::print("\n{}, {} images, lambda {}, seed {}\n{}", network.name, batch_size, lambda,
                     seed, to_string(report));
        }
      }
    }
  }
  fmt::print(
      "\n{} seeds: worst sum/sum {:.3e} (limit {:.0e}), most kinks in a check {:.2f} % (limit "
      "{:.0f} %), entries {}: {}\n",
      options.seeds, worst.sum_relative, largest_sum_relative, 100 * worst.kink_share,
      100 * largest_kink_share, worst.entries_passed ? "all within tolerance" : "OUTSIDE tolerance",
      worst.passed() ? "pass" : "FAIL");
  return worst.passed() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CommandLine command_line(
      "gradient_check",
      "Checks the gradients of both assignments' networks, cut to 20 inputs, for "
      "1, 50 and 100 images and lambda 0 and 0.001.");
  command_line.text("--data", options.data.folder, "Folder with the binary CIFAR-10 files")
      .flag("--synthetic", options.data.synthetic, "Use the built-in synthetic images")
      .count("--seeds", options.seeds, 1, 1000, "Repeat with seeds 1 to this")
      .number("--step", options.h, 1e-12, 1, "The perturbation h")
      .choice("--difference", options.difference, {"centred", "forward"}, "The difference quotient")
      .flag("--quiet", options.quiet, "Print the worst figures only");
  return command_line.run(argc, argv, [&] { return run(options); });
}
