#include <tapegrad.h>

using namespace tapegrad;

int main() {
  const data::ImageSet images = data::synthetic_images(10'000, 1);
  const auto standardizer = data::Standardizer::fit(images);

  Rng rng{400};
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(3072, 50, rng);
  net.add<nn::Relu<float>>();
  net.add<nn::Linear<float>>(50, 10, rng);

  const double lambda = 0.01;  // cost = mean cross-entropy + lambda * sum of squares
  const optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = 500};
  optim::Sgd<float> sgd{optim::decay_matrices(net.parameters(), 2 * lambda), clr};
  data::Loader<float> train{images, standardizer, 100, rng.split()};

  while (sgd.steps() < clr.steps(1)) {
    const auto [x, y] = train.next();
    Tape<float> tape;
    const Var loss = softmax_cross_entropy(net(tape.constant(x)), y);
    tape.backward(loss);
    sgd.step();
    if (sgd.steps() % 100 == 0) fmt::print("step {:4}  loss {:.4f}\n", sgd.steps(), loss.item());
  }
  nn::save_parameters("net.safetensors", net.parameters());
}
