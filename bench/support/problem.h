// The training that all peers make: the same images, batches and initial weights for each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/support/child.h"
#include "data/image_set.h"
#include "data/loader.h"
#include "data/standardizer.h"
#include "tensor/tensor.h"

namespace tapegrad::bench {

/// What trainings on the same images may differ in.
struct Settings {
  double lambda = 0.05;  // large and short, so that wrong updates show within a few steps
  Index half_cycle = 10;

  /// The cyclical learning rate of step 0, 1, ...
  double lr(Index step) const;
};

/// A network of linear layers with ReLU between them, trained by gradient descent on
/// mean softmax cross-entropy + lambda * sum of squares of the matrices.
struct Problem {
  Index batch = 100;
  Settings settings;
  int threads = 1;
  std::vector<Index> widths;           // inputs, hidden layers, classes
  data::ImageSet images;               // bytes and labels
  std::vector<float> scale, shift;     // [inputs]; standardised: byte * scale + shift
  std::vector<std::int32_t> order;     // the images of the first epoch's batches, one by one
  std::vector<Tensor<float>> weights;  // [outputs, inputs] of each layer; biases begin at 0

  /// The images of a step's batch; after an epoch the same batches come again.
  std::span<const std::int32_t> rows(Index step) const;

  /// All images as standardised rows [n, inputs], for peers that store those.
  Tensor<float> standardised() const;
};

/// The seed of the batches' order.
inline constexpr std::uint64_t order_seed = 1;

/// The problem for these images: weights N(0, 1 / inputs), batches as data::Loader draws them.
Problem make_problem(const data::ImageSet& images, const data::Standardizer& standardizer,
                     std::vector<Index> widths, Index batch);

/// Starts a peer on a problem: its sizes are arguments after those in `command`, "images batch
/// lambda half-cycle threads width ..."; its stdin gets pixels, labels, scale, shift, order and
/// weights as raw numbers, which `receive` reads.
std::unique_ptr<Child> start(std::vector<std::string> command, const Problem& problem);
Problem receive(std::span<char*> arguments);

}  // namespace tapegrad::bench
