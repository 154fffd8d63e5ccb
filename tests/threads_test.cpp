// A training's numbers do not depend on how many threads share its products.
#include <algorithm>

#include "data/loader.h"
#include "data/synthetic.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "tensor/runtime.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

// Under ThreadSanitizer a step takes a hundred times as long.
#if defined(__SANITIZE_THREAD__)
constexpr Index steps = 20;
#else
constexpr Index steps = 200;
#endif

// The first layer's weights after so many steps of assignment 2.
Tensor<float> train(const data::ImageSet& images, int threads, float nudge = 0) {
  set_threads(threads);
  const auto standardizer = data::Standardizer::fit(images);
  Rng rng(1);
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(3072, 50, rng);
  net.add<nn::Relu<float>>();
  net.add<nn::Linear<float>>(50, 10, rng);
  const auto parameters = net.parameters();
  parameters[0].parameter->write().data()[0] += nudge;
  optim::Sgd<float> sgd(optim::decay_matrices(parameters, 0.02), optim::Constant{0.02});
  data::Loader<float> batches(images, standardizer, 100, rng.split());
  while (sgd.steps() < steps) {
    const auto [x, y] = batches.next();
    Tape<float> tape;
    tape.backward(softmax_cross_entropy(net(tape.constant(x)), y));
    sgd.step();
  }
  set_threads(1);
  return Tensor<float>(parameters[0].parameter->value());
}

}  // namespace

TEST_CASE("threads: a training ends in the same bits with 1, 2, 3, 4 and 8") {
  const data::ImageSet images = data::synthetic_images(500, 1);
  const Tensor<float> one = train(images, 1);
  for (const int threads : {2, 3, 4, 8}) {
    CAPTURE(threads);
    const Tensor<float> several = train(images, threads);
    CHECK(std::equal(one.begin(), one.end(), several.begin()));
  }
  // The comparison sees a difference in one bit of one weight.
  const Tensor<float> nudged = train(images, 1, 1e-7f);
  CHECK_FALSE(std::equal(one.begin(), one.end(), nudged.begin()));
}
