// An interrupted and resumed training against one that was not interrupted: bit for bit.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "autograd/ops.h"
#include "data/ahead_loader.h"
#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/pooling.h"
#include "nn/sequential.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "optim/trainer.h"
#include "tensor/checksums.h"
#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/error_of.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

constexpr Index all_steps = 60;
constexpr Index side = 8;
constexpr Index batch_size = 8;
constexpr Index half_cycle = 10;  // peaks after 10, 30 and 50 steps; an epoch has 6 steps

data::ImageSet some_images(Index n, std::uint64_t seed) {
  data::ImageSet images(n, 3 * side * side);
  Rng rng(seed);
  for (auto& byte : images.pixels) byte = static_cast<std::uint8_t>(rng.below(256));
  for (auto& label : images.labels) label = static_cast<std::int32_t>(rng.below(3));
  return images;
}

enum class Network { convolutional, two_layers };

struct Plan {
  Network network = Network::two_layers;
  std::string optimizer = "momentum";
  Index patience = 0;
};

template <Real T>
std::unique_ptr<optim::Optimizer<T>> make_optimizer(const std::string& name,
                                                    const ParameterList<T>& parameters) {
  const auto groups = optim::decay_matrices(parameters, 0.01);
  const auto schedule = [](double peak) {
    return optim::CyclicLr{.lr_min = peak / 1000, .lr_max = peak, .half_cycle = half_cycle};
  };
  if (name == "adam" || name == "adamw") {
    return std::make_unique<optim::Adam<T>>(groups, schedule(0.01),
                                            optim::AdamOptions{.decoupled = name == "adamw"});
  }
  if (name == "adagrad") {
    return std::make_unique<optim::AdaGrad<T>>(groups, schedule(0.03), optim::AdaGradOptions{});
  }
  if (name == "rmsprop") {
    return std::make_unique<optim::RmsProp<T>>(
        groups, schedule(0.003), optim::RmsPropOptions{.momentum = 0.5, .centered = true});
  }
  return std::make_unique<optim::Sgd<T>>(
      groups, schedule(0.05),
      optim::SgdOptions{.momentum = name == "sgd" ? 0 : 0.9, .nesterov = name == "nesterov"});
}

/// All that a training consists of.
template <Real T>
class Training {
 public:
  explicit Training(const Plan& plan) : plan_(plan) {
    Rng rng(5);
    if (plan.network == Network::convolutional) {
      net_.template add<nn::Conv2d<T>>(3, 4, 3, rng, Conv2dOptions{.stride = 2, .padding = 1});
      net_.template add<nn::BatchNorm<T>>(4);
      net_.template add<nn::Relu<T>>();
      net_.template add<nn::Flatten<T>>();
      net_.template add<nn::Dropout<T>>(0.3, rng);
      net_.template add<nn::Linear<T>>(4 * 4 * 4, 3, rng);
    } else {
      net_.template add<nn::Linear<T>>(3 * side * side, 10, rng);
      net_.template add<nn::Relu<T>>();
      net_.template add<nn::Linear<T>>(10, 3, rng);
    }
    optimizer_ = make_optimizer<T>(plan.optimizer, net_.parameters());
  }

  /// Trains up to the step after which it is interrupted, or to the end. `changed` sees each
  /// checkpoint's pieces before they are used: for tests that plant a mistake.
  void run(const fs::path& folder, Index interrupt_after = -1, bool resume = false) {
    optim::Trainer<T> trainer(
        *optimizer_,
        [&](Tape<T>& tape) {
          const auto [x, y] = batches_.next();
          return softmax_cross_entropy(net_(in_shape(tape.constant(x))), y);
        },
        {.measure_when = optim::every(4),
         .steps_per_epoch = batches_.batches_per_epoch(),
         .measure_train =
             [&] {
               return optim::Scores{loss(), 0.5};
             },
         .measure_validation =
             [&] {
               return optim::Scores{loss(), accuracy()};
             },
         .patience = plan_.patience,
         .keep_best = true,
         .interrupted = [&] { return optimizer_->steps() == interrupt_after; },
         .progress = false});
    trainer.checkpoint({.folder = folder, .every = 25, .resume = resume}, net_.parameters(),
                       {optim::position_of(batches_)});
    try {
      trainer.run(all_steps);
      REQUIRE((interrupt_after == -1 && interrupt_measurement == -1));
    } catch (const Interrupted&) {
      const Index now = optimizer_->steps();
      REQUIRE((now == interrupt_after || now == interrupt_measurement));
    }
  }

  Index interrupt_measurement = -1;  // after so many steps measuring is interrupted

  std::vector<std::byte> parameters() {
    Safetensors file;
    for (const auto& p : net_.parameters()) file.add<T>(p.name, p.parameter->value());
    return serialize_safetensors(file);
  }

 private:
  Var<T> in_shape(Var<T> x) {
    return plan_.network == Network::two_layers ? x : reshape(x, {x.shape()[0], 3, side, side});
  }

  double loss() {
    net_.set_training(false);
    NoGrad<T> tape;
    Tensor<T> x({images_.size(), images_.features});
    const auto batch = data::gather<T>(images_, standardizer_, 0, x.view());
    const double value = static_cast<double>(
        softmax_cross_entropy(net_(in_shape(tape.constant(batch.x))), batch.y).item());
    net_.set_training(true);
    return value;
  }

  // Best after 40 steps.
  double accuracy() const {
    if (optimizer_->steps() == interrupt_measurement) throw Interrupted("in the middle");
    return 1 / (1 + std::abs(static_cast<double>(optimizer_->steps()) - 40));
  }

  Plan plan_;
  data::ImageSet images_ = some_images(50, 3);
  data::Standardizer standardizer_ = data::Standardizer::fit(images_);
  nn::Sequential<T> net_;
  std::unique_ptr<optim::Optimizer<T>> optimizer_;
  data::AheadLoader<T> batches_{
      images_, standardizer_,         batch_size,
      Rng(9),  data::Order::shuffled, data::Augment{.flip = true, .max_shift = 1}};
};

/// How a training ended: all its state, in its last checkpoint, and the parameters it left.
struct End {
  std::vector<std::byte> state;
  std::vector<std::byte> parameters;

  bool operator==(const End&) const = default;
};

fs::path newest(const fs::path& folder) {
  return folder / fmt::format("step-{:09}.safetensors", optim::checkpoint_steps(folder).back());
}

template <Real T>
End uninterrupted(const Plan& plan) {
  const test::TemporaryFolder folder;
  Training<T> training(plan);
  training.run(folder.path());
  return {read_file(newest(folder.path())), training.parameters()};
}

/// Interrupted after so many steps and resumed by a new process, as far as objects can be one. The
/// tensors whose names begin with `forgotten` are lost in between: all zeros.
template <Real T>
End interrupted(const Plan& plan, Index after, const std::string& forgotten = "none") {
  const test::TemporaryFolder folder;
  Training<T>(plan).run(folder.path(), after);
  if (forgotten != "none") {
    const fs::path path = newest(folder.path());
    Safetensors file = parse_with_checksums(read_file(path), "checkpoint");
    Index found = 0;
    for (auto& [name, tensor] : file.tensors) {
      if (!name.starts_with(forgotten)) continue;
      std::ranges::fill(tensor.bytes, std::byte{0});
      ++found;
    }
    REQUIRE(found > 0);
    write_file(path, serialize_with_checksums(file));
  }
  Training<T> resumed(plan);
  resumed.run(folder.path(), -1, true);
  return {read_file(newest(folder.path())), resumed.parameters()};
}

}  // namespace

TEST_CASE("resume: bit-exact from every step of a convolutional net's training") {
  const Plan plan{.network = Network::convolutional};
  const End expected = uninterrupted<float>(plan);
  for (Index after = 0; after < all_steps; ++after) {
    CAPTURE(after);
    CHECK(interrupted<float>(plan, after) == expected);
  }
}

TEST_CASE("resume: bit-exact from every step of a two-layer net's training") {
  const Plan plan{};
  const End expected = uninterrupted<double>(plan);
  for (Index after = 0; after < all_steps; ++after) {
    CAPTURE(after);
    CHECK(interrupted<double>(plan, after) == expected);
  }
}

TEST_CASE("resume: bit-exact with every optimizer") {
  for (const char* optimizer : {"sgd", "nesterov", "adam", "adamw", "adagrad", "rmsprop"}) {
    const Plan plan{.network = Network::convolutional, .optimizer = optimizer};
    const End expected = uninterrupted<float>(plan);
    for (const Index after : {1, 10, 29, 44}) {
      CAPTURE(optimizer, after);
      CHECK(interrupted<float>(plan, after) == expected);
    }
  }
}

TEST_CASE("resume: bit-exact with patience that ends the training early") {
  const Plan plan{.patience = 3};
  const End expected = uninterrupted<float>(plan);
  const auto whole = parse_with_checksums(expected.state, "end");
  CHECK(whole.metadata.at("step") == "52");  // the best is at 40; 44, 48 and 52 are not better
  for (const Index after : {7, 40, 41, 48, 51}) {
    CAPTURE(after);
    CHECK(interrupted<float>(plan, after) == expected);
  }
}

TEST_CASE("resume: without any one piece of its state a training ends elsewhere") {
  struct Loss {
    const char* optimizer;
    const char* piece;
  };
  for (const Loss& loss :
       {Loss{"momentum", "batches/"}, Loss{"momentum", "generators/"},
        Loss{"momentum", "optimizer/velocity/"}, Loss{"momentum", "optimizer/velocity/5.bias"},
        Loss{"momentum", "optimizer/updates"}, Loss{"momentum", "trainer/history"},
        Loss{"momentum", "trainer/kept/"}, Loss{"momentum", "trainer/best"},
        Loss{"momentum", "0.weight"}, Loss{"momentum", "1.running_mean"},
        Loss{"momentum", "1.running_var"}, Loss{"adam", "optimizer/mean/"},
        Loss{"adam", "optimizer/square/"}, Loss{"adam", "optimizer/updates"},
        Loss{"adagrad", "optimizer/sum/"}, Loss{"rmsprop", "optimizer/square/"},
        Loss{"rmsprop", "optimizer/mean/"}, Loss{"rmsprop", "optimizer/velocity/"}}) {
    const Plan plan{.network = Network::convolutional, .optimizer = loss.optimizer};
    CAPTURE(loss.optimizer, loss.piece);
    bool same = true;
    try {
      same = interrupted<float>(plan, 45, loss.piece) == uninterrupted<float>(plan);
    } catch (const FormatError&) {
      same = false;  // noticed at once
    }
    CHECK_FALSE(same);
  }
}

TEST_CASE("resume: a measurement that was interrupted is made later, and the end is the same") {
  const Plan plan{.network = Network::convolutional};
  const End expected = uninterrupted<float>(plan);
  for (const Index step : {0, 24, 40, 60}) {
    const test::TemporaryFolder folder;
    Training<float> first(plan);
    first.interrupt_measurement = step;
    first.run(folder.path());
    CHECK(optim::checkpoint_steps(folder.path()).back() == step);
    Training<float> resumed(plan);
    resumed.run(folder.path(), -1, true);
    CAPTURE(step);
    CHECK(resumed.parameters() == expected.parameters);
  }
}

TEST_CASE("resume: a training that ended is found ended") {
  const test::TemporaryFolder folder;
  const Plan plan{.patience = 3};
  Training<float> first(plan);
  first.run(folder.path());
  const auto state = read_file(newest(folder.path()));
  Training<float> again(plan);
  again.run(folder.path(), -1, true);
  CHECK(again.parameters() == first.parameters());
  CHECK(read_file(newest(folder.path())) == state);
}

TEST_CASE("resume: killed and resumed from the last regular checkpoint, it ends the same") {
  const Plan plan{.network = Network::convolutional};
  const test::TemporaryFolder folder;
  Training<float>(plan).run(folder.path(), 47);  // checkpoints after 25 and 47 steps
  fs::remove(newest(folder.path()));             // as a kill after 47 steps leaves it
  Training<float> resumed(plan);
  resumed.run(folder.path(), -1, true);
  CHECK(End{read_file(newest(folder.path())), resumed.parameters()} == uninterrupted<float>(plan));
}

TEST_CASE("resume: another network, optimizer or type of numbers is refused by name") {
  const test::TemporaryFolder folder;
  Training<float>({}).run(folder.path(), 30);
  CHECK_THROWS_WITH(
      Training<float>({.network = Network::convolutional}).run(folder.path(), -1, true),
      Catch::Contains("optimizer: \"updates\" is I64 [4], but I64 [8] is needed") ||
          Catch::Contains("is missing"));
  CHECK_THROWS_WITH(Training<float>({.optimizer = "adam"}).run(folder.path(), -1, true),
                    Catch::Contains("optimizer: \"mean/0.bias\" F32 [10] is missing"));
  CHECK_THROWS_WITH(Training<double>({}).run(folder.path(), -1, true),
                    Catch::Contains("numbers was 'float' and is 'double' now"));
}

TEST_CASE("resume: a parameter that would not be saved is refused") {
  const test::TemporaryFolder folder;
  Rng rng(1);
  nn::Linear<float> saved(3, 2, rng);
  nn::Linear<float> trained(3, 2, rng);
  optim::Sgd<float> sgd(optim::one_group(trained.parameters()), optim::Constant{0.1});
  optim::Trainer<float> trainer(sgd, [&](Tape<float>& tape) { return tape.constant(0.f); });
  CHECK_THROWS_WITH(trainer.checkpoint({.folder = folder.path()}, saved.parameters()),
                    Catch::Contains("parameter `weight` of the optimizer is not among those"));
}

namespace {

struct Outcome {
  std::vector<Index> measured;
  Tensor<float> weight;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Two runs of ten steps that keep the best weights, which are the first: interrupted after so many
// steps, or -1; resumed.
Outcome train_twice(const fs::path& folder, Index interrupt_after, bool resume) {
  Rng rng(1);
  nn::Linear<float> net(3, 2, rng);
  optim::Sgd<float> sgd(optim::one_group(net.parameters()), optim::Constant{0.1},
                        {.momentum = 0.9});
  const Tensor<float> x({4, 3}, 1);
  optim::Trainer<float> trainer(
      sgd, [&](Tape<float>& tape) { return sum(net(tape.constant(x))); },
      {.measure_validation =
           [&] {
             return optim::Scores{0, 1.0 / static_cast<double>(1 + sgd.steps())};
           },
       .keep_best = true,
       .interrupted = [&] { return sgd.steps() == interrupt_after; },
       .progress = false});
  trainer.checkpoint({.folder = folder, .resume = resume}, net.parameters());
  try {
    trainer.run(10);
    trainer.run(10);
  } catch (const Interrupted&) {
  }
  Outcome outcome{{}, Tensor<float>(net.weight.value())};
  for (const optim::Measurement& m : trainer.history()) outcome.measured.push_back(m.step);
  return outcome;
}

}  // namespace

TEST_CASE("resume: in the second of two runs, the first is not ended again") {
  const test::TemporaryFolder whole;
  const Outcome expected = train_twice(whole.path(), -1, false);
  CHECK(expected.measured == std::vector<Index>{0, 10, 20});
  for (const Index step : {0, 3, 9, 10, 11, 15, 19}) {
    const test::TemporaryFolder folder;
    CAPTURE(step);
    CHECK(train_twice(folder.path(), step, false) != expected);
    CHECK(train_twice(folder.path(), -1, true) == expected);
  }
}

TEST_CASE("resume: with keep_best, from a training without it, is refused") {
  const test::TemporaryFolder folder;
  const auto train = [&](Index steps, bool keep_best, bool resume) {
    Parameter<double> w(Tensor<double>({2}, 1));
    ParameterList<double> all;
    all.add("w", w);
    optim::Sgd<double> sgd(optim::one_group(all), optim::Constant{0.1});
    optim::Trainer<double> trainer(
        sgd, [&](Tape<double>& tape) { return sum(square(tape.parameter(w))); },
        {.measure_validation =
             [] {
               return optim::Scores{0, 0.5};
             },
         .keep_best = keep_best,
         .progress = false});
    trainer.checkpoint({.folder = folder.path() / "kept", .resume = resume}, all);
    trainer.run(steps);
  };
  train(3, true, false);
  CHECK_NOTHROW(train(4, true, true));
  CHECK_NOTHROW(train(5, false, true));
  CHECK_THROWS_WITH(train(6, true, true), Catch::Contains("keep_best was off"));
}

TEST_CASE("resume: the setting that is the trainer's own cannot be the user's") {
  const test::TemporaryFolder folder;
  Parameter<double> w(Tensor<double>({2}, 1));
  ParameterList<double> all;
  all.add("w", w);
  optim::Sgd<double> sgd(optim::one_group(all), optim::Constant{0.1});
  optim::Trainer<double> trainer(
      sgd, [&](Tape<double>& tape) { return sum(square(tape.parameter(w))); }, {});
  CHECK_THROWS_AS(
      trainer.checkpoint({.folder = folder.path() / "kept", .settings = {{"numbers", "10"}}}, all),
      OptionError);
}

namespace {
struct Square {
  Parameter<double> w{Tensor<double>(Shape{}, 2)};
  ParameterList<double> all = [this] {
    ParameterList<double> list;
    list.add("w", w);
    return list;
  }();
  optim::Sgd<double> sgd{optim::one_group(all), optim::Constant{0.25}};
  optim::Trainer<double> trainer{
      sgd, [this](Tape<double>& tape) { return square(tape.parameter(w)); }, {}};
};

// What a resumed training says after a change to the file of its first step.
template <class F>
std::string resumed_after(F change) {
  const test::TemporaryFolder folder;
  {
    Square s;
    s.trainer.checkpoint({.folder = folder.path()}, s.all);
    s.trainer.run(1);
  }
  const std::filesystem::path file = folder.path() / "step-000000001.safetensors";
  Safetensors state = parse_with_checksums(read_file(file), "f");
  change(state);
  write_file(file, serialize_with_checksums(state));
  return test::error_of<FormatError>([&] {
    Square s;
    s.trainer.checkpoint({.folder = folder.path(), .resume = true}, s.all);
  });
}

}  // namespace

TEST_CASE("resume: a best measurement that there is not is refused") {
  CHECK(resumed_after([](Safetensors&) {}) == "nothing thrown");
  CHECK_THAT(resumed_after([](Safetensors& f) {
               const std::int64_t behind[] = {2, 0, 0};  // of two measurements
               f.add_integers("trainer/best_stopped_kept", behind);
             }),
             Catch::Contains("its history and its best do not fit together"));
}

TEST_CASE("resume: a number of steps beyond counting is refused") {
  CHECK_THAT(resumed_after([](Safetensors& f) {
               Tensor<double> history = f.at("trainer/history").as<double>();
               history(1, 0) = 1e300;
               f.add<double>("trainer/history", history);
             }),
             Catch::Contains("the history has a measurement after 1e+300 steps"));
}
