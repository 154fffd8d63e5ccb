// Many threads, each with a tape and a network of its own, get the bits that they get one after the
// other: nothing that trains is shared.
#include <algorithm>
#include <thread>
#include <vector>

#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

// Sanitizers make a step ten times as slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr Index iterations = 100;
#else
constexpr Index iterations = 1000;
#endif
constexpr std::uint64_t threads = 16;

constexpr std::int32_t labels[] = {0, 1, 2, 3, 2, 1, 0, 3};

/// The losses and the last weights of a small network, trained on examples of its own.
std::vector<float> train(std::uint64_t seed) {
  Rng rng(seed);
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(16, 12, rng);
  net.add<nn::Relu<float>>();
  net.add<nn::Linear<float>>(12, 4, rng);
  const Tensor<float> x = rng.normal<float>({8, 16}, 1);
  optim::Sgd<float> sgd(optim::decay_matrices(net.parameters(), 0.02), optim::CyclicLr{},
                        {.momentum = 0.9, .clip = {.norm = 1}});
  std::vector<float> numbers;
  while (sgd.steps() < iterations) {
    Tape<float> tape;
    const Var<float> loss = softmax_cross_entropy(net(tape.constant(x)), std::span(labels));
    numbers.push_back(loss.item());
    tape.backward(loss);
    sgd.step();
  }
  for (const auto& p : net.parameters()) {
    numbers.insert(numbers.end(), p.parameter->value().begin(), p.parameter->value().end());
  }
  return numbers;
}

}  // namespace

TEST_CASE("threads: 16 tapes at once give the bits that they give one after the other") {
  std::vector<std::vector<float>> together(threads);
  {
    std::vector<std::jthread> running;
    for (std::uint64_t i = 0; i < threads; ++i) {
      running.emplace_back([&together, i] { together[i] = train(i); });
    }
  }
  for (std::uint64_t i = 0; i < threads; ++i) {
    CAPTURE(i);
    CHECK(together[i] == train(i));
    // The comparison sees that another seed is another training.
    CHECK(together[i] != together[(i + 1) % threads]);
  }
}
