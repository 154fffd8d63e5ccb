// Training, step by step, against the same training done by PyTorch.
#include <fmt/format.h>

#include "data/cifar10.h"
#include "data/loader.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "tests/catch.h"
#include "tests/golden.h"

using namespace tapegrad;

namespace {

constexpr double loss_tolerance = 1e-12;
constexpr double weight_tolerance = 1e-11;

/// "W1", "b1", "W2", ... in the order of the parameters of a Sequential of Linear layers.
std::string golden_name(std::size_t parameter) {
  return fmt::format("{}{}", parameter % 2 == 0 ? 'W' : 'b', parameter / 2 + 1);
}

void copy_into(View<double> to, const StoredTensor& from) {
  const Tensor<double> numbers = from.as<double>();
  REQUIRE(numbers.shape() == to.shape());
  std::copy(numbers.begin(), numbers.end(), to.begin());
}

/// A net of ReLU layers of the given sizes with the file's initial values; biases default to 0.
void start(nn::Sequential<double>& net, const std::vector<Index>& sizes, const Safetensors& file) {
  Rng unused{0};
  for (std::size_t i = 1; i < sizes.size(); ++i) {
    if (i > 1) net.add<nn::Relu<double>>();
    net.add<nn::Linear<double>>(sizes[i - 1], sizes[i], unused);
  }
  const auto parameters = net.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string name = "init." + golden_name(i);
    if (file.tensors.count(name) != 0) copy_into(parameters[i].parameter->write(), file.at(name));
  }
}

/// The greatest relative errors met on the way.
struct Errors {
  double loss = 0;
  double cost = 0;
  double first_gradient = 0;  // of the full cost
  double final_weights = 0;

  bool small() const {
    return loss <= loss_tolerance && cost <= loss_tolerance && first_gradient <= weight_tolerance &&
           final_weights <= weight_tolerance;
  }
  std::string text() const {
    return fmt::format("loss {:.2g}, cost {:.2g}, first gradient {:.2g}, final weights {:.2g}",
                       loss, cost, first_gradient, final_weights);
  }
};

/// The greater of the two; NaN when either is.
double worst(double a, double b) { return b <= a || std::isnan(a) ? a : b; }

/// Trains from the file's start as the file says; `next` hands out the batches. `prefix` is in
/// front of the names of what was measured.
template <class Next>
Errors follow(nn::Sequential<double>& net, optim::Sgd<double>& sgd, const Safetensors& file,
              const std::string& prefix, Index steps, Next next) {
  Errors errors;
  const auto parameters = net.parameters();
  const Tensor<double> losses = file.at(prefix + "loss").as<double>();
  const Tensor<double> costs = file.at(prefix + "cost").as<double>();
  REQUIRE(losses.size() == steps);
  for (Index step = 0; step < steps; ++step) {
    const auto [x, y] = next();
    Tape<double> tape;
    const Var<double> loss = softmax_cross_entropy(net(tape.constant(x)), y);
    tape.backward(loss);
    const double cost = loss.item() + optim::penalty(sgd.groups());
    errors.loss = worst(errors.loss, golden::relative_error(loss.item(), losses[step]));
    errors.cost = worst(errors.cost, golden::relative_error(cost, costs[step]));
    for (std::size_t i = 0; step == 0 && i < parameters.size(); ++i) {
      const std::string name = "grad0." + golden_name(i);
      if (file.tensors.count(name) == 0) continue;
      const Parameter<double>& p = *parameters[i].parameter;
      Tensor<double> gradient(p.gradient());
      const double decay = p.shape().rank() == 2 ? sgd.groups()[0].weight_decay : 0;
      for (Index j = 0; j < p.size(); ++j) gradient[j] += decay * p.value()[j];
      errors.first_gradient =
          worst(errors.first_gradient,
                golden::relative_error<double>(gradient, file.at(name).as<double>()));
    }
    sgd.step();
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto final = file.at(prefix + "final." + golden_name(i)).as<double>();
    errors.final_weights =
        worst(errors.final_weights,
              golden::relative_error<double>(parameters[i].parameter->value(), final));
  }
  return errors;
}

struct Setting {
  const char* file;
  std::vector<Index> sizes;
  double lambda;
  optim::Schedule schedule;
};

/// Where CIFAR-10's first training file would be.
std::filesystem::path images_path() {
  const std::filesystem::path given = golden::folder_from("CIFAR10_DIR");
  const auto own = std::filesystem::path(TAPEGRAD_SOURCE_DIR) / "data" / "cifar-10-batches-bin";
  return (given.empty() ? own : given) / "data_batch_1.bin";
}

Errors follow_on_cifar10(const Setting& setting) {
  const auto file = read_safetensors(golden::folder() / setting.file);
  const auto images = data::read_cifar10_file(images_path());
  const auto standardizer = data::Standardizer::fit(images);
  data::Loader<double> loader(images, standardizer, 100, Rng{0}, data::Order::sequential);
  nn::Sequential<double> net;
  start(net, setting.sizes, file);
  optim::Sgd<double> sgd(optim::decay_matrices(net.parameters(), 2 * setting.lambda),
                         setting.schedule);
  return follow(net, sgd, file, "", 200, [&] { return loader.next(); });
}

void check_on_cifar10(const Setting& setting) {
  if (!std::filesystem::exists(golden::folder() / setting.file)) {
    WARN(golden::not_found(setting.file));
    return;
  }
  if (!std::filesystem::exists(images_path())) {
    WARN("no CIFAR-10 in $CIFAR10_DIR or data/: this trajectory is not checked");
    return;
  }
  const Errors errors = follow_on_cifar10(setting);
  INFO(errors.text());
  CHECK(errors.small());
}

/// Follows a variant of the project's own trajectory; the arguments are the file's own unless a
/// test plants a fault.
Errors follow_own(const std::string& variant, double lr, optim::SgdOptions options, double decay) {
  const auto file = read_safetensors(golden::own_file("golden_trajectory.safetensors"));
  const Index batch = std::stoi(file.metadata.at("batch"));
  const Tensor<double> x = file.at("x").as<double>();
  std::vector<std::int32_t> labels;
  for (const auto label : file.at("labels").integers()) {
    labels.push_back(static_cast<std::int32_t>(label));
  }
  nn::Sequential<double> net;
  start(net, {8, 5, 3}, file);
  optim::Sgd<double> sgd(optim::decay_matrices(net.parameters(), decay), optim::Constant{lr},
                         options);
  Index row = 0;
  return follow(net, sgd, file, variant + ".", std::stoi(file.metadata.at("steps")), [&] {
    const Index first = row;
    row = (row + batch) % x.shape()[0];
    return data::Batch<double>{
        {x.data() + first * 8, {batch, 8}},
        std::span<const std::int32_t>(labels).subspan(static_cast<std::size_t>(first),
                                                      static_cast<std::size_t>(batch))};
  });
}

}  // namespace

TEST_CASE("golden trajectory: two layers under a cyclical learning rate, 200 steps") {
  check_on_cifar10({"trajectory_two_layer_clr.safetensors",
                    {3072, 50, 10},
                    0.01,
                    optim::CyclicLr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = 50}});
}

TEST_CASE("golden trajectory: a linear classifier, 200 steps") {
  check_on_cifar10(
      {"trajectory_linear.safetensors", {3072, 10}, 0.1, optim::Constant{.lr = 0.001}});
}

TEST_CASE("golden trajectory: a small net with momentum and weight decay") {
  const Errors plain = follow_own("momentum", 0.08, {.momentum = 0.9}, 0.03);
  INFO(plain.text());
  CHECK(plain.small());
  const Errors nesterov = follow_own("nesterov", 0.08, {.momentum = 0.9, .nesterov = true}, 0.03);
  INFO(nesterov.text());
  CHECK(nesterov.small());
}

TEST_CASE("golden trajectory: a planted fault is noticed") {
  CHECK_FALSE(follow_own("momentum", 0.08 * (1 + 1e-9), {.momentum = 0.9}, 0.03).small());
  CHECK_FALSE(follow_own("momentum", 0.08, {.momentum = 0.9 * (1 + 1e-9)}, 0.03).small());
  CHECK_FALSE(follow_own("momentum", 0.08, {.momentum = 0.9}, 0.03 * (1 + 1e-9)).small());
  CHECK_FALSE(follow_own("momentum", 0.08, {.momentum = 0.9}, 0).small());
  CHECK_FALSE(follow_own("momentum", 0.08, {.momentum = 0.9, .nesterov = true}, 0.03).small());
  CHECK_FALSE(follow_own("nesterov", 0.08, {.momentum = 0.9}, 0.03).small());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(Errors{.loss = nan}.small());
  CHECK_FALSE(Errors{.final_weights = nan}.small());
  CHECK(std::isnan(worst(nan, 1)));
  CHECK(std::isnan(worst(1, nan)));
}
