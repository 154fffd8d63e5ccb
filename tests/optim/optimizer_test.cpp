#include "optim/optimizer.h"

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>

#include "autograd/ops.h"
#include "autograd/profile.h"
#include "nn/linear.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace tapegrad;
using namespace tapegrad::optim;
using Catch::Matchers::Contains;

namespace {

constexpr Index images = 100, features = 1030, hidden = 50, classes = 10;

template <class T>
bool same_bits(View<const T> x, View<const T> y) {
  return x.shape() == y.shape() && std::memcmp(x.data(), y.data(), x.span().size_bytes()) == 0;
}

/// Two layers, of which the first one's weights are many enough to be moved along a product.
template <class T>
struct Network {
  Network() {
    Rng rng(5);
    x = rng.normal<T>({images, features}, 1);
    first.emplace(features, hidden, rng);
    last.emplace(hidden, classes, rng);
    first->collect(parameters);
    ParameterList<T> others;
    last->collect(others);
    for (const auto& p : others) parameters.add("last." + p.name, *p.parameter);
  }

  Var<T> loss(Tape<T>& tape) {
    return mean(square(last->forward(relu(first->forward(tape.constant(x))))));
  }

  Parameter<T>& weight() { return first->weight; }

  Tensor<T> x;
  std::optional<nn::Linear<T>> first, last;
  ParameterList<T> parameters;
};

template <class T>
using Loss = std::function<Var<T>(Network<T>&, Tape<T>&)>;
template <class T>
using Make = std::function<std::unique_ptr<Optimizer<T>>(ParamGroups<T>)>;

constexpr double decay = 0.01;

template <class T>
Make<T> sgd(SgdOptions options = {}, double lr = 0.1) {
  return [=](ParamGroups<T> groups) {
    return std::make_unique<Sgd<T>>(std::move(groups), Constant{lr}, options);
  };
}

template <class T>
Var<T> usual_loss(Network<T>& net, Tape<T>& tape) {
  return net.loss(tape);
}

/// The parameters after some updates, by minimize or by backward and step.
template <class T>
std::unique_ptr<Network<T>> trained(const Make<T>& make, bool minimizing,
                                    const Loss<T>& loss = usual_loss<T>) {
  auto net = std::make_unique<Network<T>>();
  const auto optimizer = make(decay_matrices(net->parameters, decay));
  for (int step = 0; step < 4; ++step) {
    Tape<T> tape;
    const Var<T> value = loss(*net, tape);
    if (minimizing) {
      optimizer->minimize(value);
    } else {
      tape.backward(value);
      optimizer->step();
    }
  }
  return net;
}

template <class T>
bool alike(const Network<T>& x, const Network<T>& y) {
  for (std::size_t i = 0; i < x.parameters.size(); ++i) {
    if (!same_bits(x.parameters[i].parameter->value(), y.parameters[i].parameter->value())) {
      return false;
    }
  }
  return true;
}

/// Whether this processor has loops that move a weight along a product.
bool descends() { return kernels::can_descend_along({images, hidden}, {images, features}); }

template <class T>
void check_every_rule() {
  const Make<T> rules[] = {sgd<T>(),
                           sgd<T>({.momentum = 0.9}),
                           sgd<T>({.momentum = 0.9, .nesterov = true}),
                           sgd<T>({.clip = {.norm = 0.1}}),
                           sgd<T>({.clip = {.value = 1e-3}}),
                           [](ParamGroups<T> groups) {
                             return std::make_unique<Adam<T>>(std::move(groups), Constant{0.01});
                           },
                           [](ParamGroups<T> groups) {
                             return std::make_unique<AdaGrad<T>>(std::move(groups), Constant{0.01});
                           },
                           [](ParamGroups<T> groups) {
                             return std::make_unique<RmsProp<T>>(std::move(groups), Constant{0.01});
                           }};
  for (const Make<T>& rule : rules) CHECK(alike(*trained(rule, true), *trained(rule, false)));
}

}  // namespace

TEST_CASE("minimize: the bits of backward and step, whatever the rule") {
  check_every_rule<float>();
  check_every_rule<double>();
  CHECK_FALSE(alike(*trained(sgd<float>(), true), *trained(sgd<float>({}, 0.11), false)));
}

TEST_CASE("minimize: the bits of backward and step, whatever the weights' part in the loss") {
  const Loss<float> losses[] = {
      // twice as weights, of which the second share comes as a product too
      [](Network<float>& net, Tape<float>& tape) {
        const auto again = linear(tape.constant(net.x), tape.parameter(net.weight()),
                                  tape.parameter(net.first->bias));
        return net.loss(tape) + mean(square(again));
      },
      // in a penalty, recorded behind the network and before it
      [](Network<float>& net, Tape<float>& tape) {
        return net.loss(tape) + mean(square(tape.parameter(net.weight())));
      },
      [](Network<float>& net, Tape<float>& tape) {
        const auto penalty = mean(square(tape.parameter(net.weight())));
        return penalty + net.loss(tape);
      },
      // as images: what the first one's update changes is a factor of the others' gradients
      [](Network<float>& net, Tape<float>& tape) {
        return net.loss(tape) +
               mean(square(linear(tape.parameter(net.weight()), tape.parameter(net.weight()),
                                  tape.parameter(net.first->bias))));
      },
      [](Network<float>& net, Tape<float>& tape) {
        return mean(square(linear(tape.constant(net.weight().value()), tape.parameter(net.weight()),
                                  tape.parameter(net.first->bias))));
      }};
  for (const Loss<float>& loss : losses) {
    CHECK(alike(*trained(sgd<float>(), true, loss), *trained(sgd<float>(), false, loss)));
  }
  CHECK_FALSE(alike(*trained(sgd<float>(), true, losses[0]), *trained(sgd<float>(), true)));
}

TEST_CASE("minimize: a gradient that is not written cannot be read, until the next pass") {
  Network<float> net, same;
  Sgd<float> optimizer(decay_matrices(net.parameters, decay), Constant{0.1});
  {
    Tape<float> tape;
    const Var<float> x = tape.constant(net.x), w = tape.parameter(net.weight());
    const Var<float> loss = mean(square(linear(x, w, tape.parameter(net.first->bias))));
    optimizer.minimize(loss);
    if (descends()) {
      const std::string expected =
          "the gradient of a parameter of shape [50, 1030] was not written, since minimize moves "
          "weights without; to look at it, call tape.backward(loss) and step()";
      CHECK(test::error_of<GradError>([&] { net.weight().gradient(); }) == expected);
      CHECK(test::error_of<GradError>([&] { tape.gradient(w); }) == expected);
    }
    CHECK_FALSE(net.weight().has_new_gradient());
    CHECK(net.first->bias.gradient().size() == hidden);
  }
  for (std::size_t i = 0; i < net.parameters.size(); ++i) {
    const auto from = net.parameters[i].parameter->value().span();
    std::copy(from.begin(), from.end(), same.parameters[i].parameter->write().begin());
  }
  for (Network<float>* each : {&net, &same}) {
    Tape<float> tape;
    const Var<float> loss = each->loss(tape);
    // Nothing is left of the last pass to add to.
    each == &net ? tape.backward(loss, accumulate) : tape.backward(loss);
  }
  CHECK(same_bits(net.weight().gradient(), same.weight().gradient()));
}

TEST_CASE("minimize: what is not the optimizer's is written and stays") {
  Network<float> net;
  const Tensor<float> before(net.weight().value());
  ParameterList<float> last;
  net.last->collect(last);
  Sgd<float> optimizer({{last, 0, 1}}, Constant{0.1});
  Tape<float> tape;
  optimizer.minimize(net.loss(tape));
  CHECK(same_bits<float>(net.weight().value(), before));
  CHECK(net.weight().has_new_gradient());
  CHECK(net.weight().gradient().size() == hidden * features);
}

TEST_CASE("minimize: weights that were frozen after they were recorded stay") {
  Network<float> net;
  const Tensor<float> before(net.weight().value());
  Sgd<float> optimizer(decay_matrices(net.parameters, decay), Constant{0.1});
  Tape<float> tape;
  const Var<float> loss = net.loss(tape);
  net.weight().freeze();
  optimizer.minimize(loss);
  CHECK(same_bits<float>(net.weight().value(), before));
  CHECK(net.weight().gradient().size() == hidden * features);
}

TEST_CASE("minimize: under an observer every gradient is written") {
  Network<float> net;
  Sgd<float> optimizer(decay_matrices(net.parameters, decay), Constant{0.1});
  Profile<float> profile;
  Tape<float> tape;
  tape.observe(&profile);
  optimizer.minimize(net.loss(tape));
  CHECK(net.weight().gradient().size() == hidden * features);
}

TEST_CASE("minimize: after a pass that failed, steps are what they would have been") {
  struct Broken {};
  Network<float> net, same;
  std::vector<Tensor<float>> moved;
  for (Network<float>* each : {&net, &same}) {
    Sgd<float> optimizer(decay_matrices(each->parameters, decay), Constant{0.1});
    if (each == &net) {
      Parameter<float> start{each->x};
      Tape<float> tape;
      auto copy = tape.record("copy", {images, features}, {tape.parameter(start)});
      std::copy(each->x.begin(), each->x.end(), copy.out().begin());
      const Var<float> x = copy.vjp([](View<const float>) { throw Broken(); });
      CHECK_THROWS_AS(optimizer.minimize(mean(square(each->first->forward(x)))), Broken);
      CHECK_FALSE(each->weight().has_new_gradient());
      CHECK_THROWS_AS(optimizer.step(), GradError);
    }
    Tape<float> tape;
    tape.backward(each->loss(tape));
    optimizer.step();
    moved.emplace_back(each->weight().value());
  }
  CHECK(same_bits<float>(moved[0], moved[1]));
}

TEST_CASE("minimize: counts updates as step does") {
  Network<float> net, same;
  Sgd<float> minimizing(decay_matrices(net.parameters, decay), Constant{0.1});
  Sgd<float> stepping(decay_matrices(same.parameters, decay), Constant{0.1});
  Tape<float> tape;
  minimizing.minimize(net.loss(tape));
  Tape<float> other;
  other.backward(same.loss(other));
  stepping.step();
  CHECK(minimizing.steps() == 1);
  for (const auto& p : net.parameters) {
    const auto updates = minimizing.save().at("updates/" + p.name).integers();
    CHECK(updates == std::vector<std::int64_t>{1});
    CHECK(updates == stepping.save().at("updates/" + p.name).integers());
  }
}

TEST_CASE("minimize: a step that fails uses up what backward did, and moves nothing") {
  Network<float> net;
  const Tensor<float> before(net.weight().value());
  bool broken = true;
  Sgd<float> optimizer(decay_matrices(net.parameters, decay), [&](Index) {
    if (broken) throw std::runtime_error("no rate");
    return 0.1;
  });
  {
    Tape<float> tape;
    CHECK_THROWS_WITH(optimizer.minimize(net.loss(tape)), "no rate");
  }
  broken = false;
  if (descends()) CHECK_THROWS_WITH(optimizer.step(), Contains("no parameter has a new gradient"));
  CHECK(same_bits<float>(net.weight().value(), before));
  Tape<float> tape;
  optimizer.minimize(net.loss(tape));
  CHECK(optimizer.steps() == 1);
}

TEST_CASE("minimize: a tape whose loss was refused goes on as if nothing was asked") {
  Network<float> net, same;
  Sgd<float> optimizer(decay_matrices(net.parameters, decay), Constant{0.1});
  for (Network<float>* each : {&net, &same}) {
    Tape<float> tape;
    const Var<float> y = each->first->forward(tape.constant(each->x));
    if (each == &net) CHECK_THROWS_WITH(optimizer.minimize(y), Contains("must be a single number"));
    tape.backward(mean(square(y)));
  }
  CHECK(same_bits(net.weight().gradient(), same.weight().gradient()));
}

TEST_CASE("minimize: throws what backward throws, and moves nothing") {
  Network<float> net;
  const Tensor<float> before(net.weight().value());
  Sgd<float> optimizer(decay_matrices(net.parameters, decay), Constant{0.1});
  {
    NoGrad<float> tape;
    CHECK_THROWS_WITH(optimizer.minimize(net.loss(tape)),
                      Contains("NoGrad records no derivatives"));
  }
  {
    Tape<float> tape;
    const Var<float> loss = net.loss(tape);
    net.weight().write();
    CHECK_THROWS_WITH(optimizer.minimize(loss), Contains("was written after it was recorded"));
  }
  CHECK(same_bits<float>(net.weight().value(), before));
  CHECK(optimizer.steps() == 0);
}

TEST_CASE("optimizer: rates that are negative or not finite are refused, and nothing is moved") {
  Network<float> net;
  const Tensor<float> before(net.weight().value());
  for (const double rate : {-0.1, std::nan(""), std::numeric_limits<double>::infinity()}) {
    Sgd<float> optimizer(decay_matrices(net.parameters, decay), Constant{rate});
    Tape<float> tape;
    CHECK_THROWS_WITH(optimizer.minimize(net.loss(tape)),
                      Contains("the learning rate is") && Contains("finite and at least 0"));
    CHECK_FALSE(net.weight().has_new_gradient());
    CHECK(optimizer.steps() == 0);
    ParamGroups<float> groups = one_group(net.parameters);
    groups[0].lr_scale = rate;
    CHECK_THROWS_AS(Sgd<float>(groups, Constant{0.1}), OptionError);
    groups[0].lr_scale = 1;
    groups[0].weight_decay = rate;
    CHECK_THROWS_AS(Sgd<float>(groups, Constant{0.1}), OptionError);
  }
  const ParamGroups<float> fast{{net.parameters, 0, 1e20}};
  Sgd<float> optimizer(fast, Constant{1e20});  // no float holds their product
  Tape<float> tape;
  CHECK_THROWS_AS(optimizer.minimize(net.loss(tape)), OptionError);
  CHECK(same_bits<float>(net.weight().value(), before));
}

TEST_CASE("minimize: also with a rule of its own a step that fails uses up what backward did") {
  Network<float> net;
  Adam<float> optimizer(decay_matrices(net.parameters, decay),
                        [](Index) -> double { throw std::runtime_error("no rate"); });
  Tape<float> tape;
  CHECK_THROWS_WITH(optimizer.minimize(net.loss(tape)), "no rate");
  CHECK_FALSE(net.weight().has_new_gradient());
}

TEST_CASE("gradient_norm: of new gradients, between backward and step") {
  Network<double> net;
  const auto groups = one_group(net.parameters);
  Sgd<double> optimizer(groups, Constant{0.1});
  CHECK_THROWS_AS(gradient_norm(groups), GradError);
  Tape<double> tape;
  tape.backward(net.loss(tape));
  double squares = 0;
  for (const auto& p : net.parameters) {
    for (const double g : p.parameter->gradient()) squares += g * g;
  }
  CHECK(std::abs(gradient_norm(groups) - std::sqrt(squares)) < 1e-12 * std::sqrt(squares));
  optimizer.step();
  CHECK_THROWS_WITH(gradient_norm(groups),
                    Catch::Contains("gradient_norm: no parameter has a new gradient"));
}

TEST_CASE("penalty: of what weight decay moves, and that is nothing frozen") {
  Network<double> net;
  const auto groups = decay_matrices(net.parameters, decay);
  const auto on_tape = [&] {
    Tape<double> tape;
    return penalty(tape, groups).item();
  };
  const double whole = penalty(groups);
  CHECK(std::abs(on_tape() - whole) < 1e-12 * whole);
  net.parameters.at("weight").freeze();
  double expected = 0;
  for (const double w : net.parameters.at("last.weight").value()) expected += decay / 2 * w * w;
  CHECK(expected < 0.9 * whole);
  CHECK(std::abs(penalty(groups) - expected) < 1e-12 * expected);
  CHECK(std::abs(on_tape() - expected) < 1e-12 * expected);
}

TEST_CASE("optimizer: without a schedule there is none") {
  Network<double> net;
  CHECK_THROWS_WITH(Sgd<double>(one_group(net.parameters), Schedule{}),
                    "optimizer: the schedule is empty");
}

TEST_CASE("optimizer: what it remembers goes by the parameters' names") {
  Network<double> net;
  const auto& all = net.parameters;
  const auto groups_in = [&](std::size_t first, std::size_t second) {
    ParamGroups<double> groups(2);
    groups[0].parameters.add(all[first].name, *all[first].parameter);
    groups[1].parameters.add(all[second].name, *all[second].parameter);
    return groups;
  };
  Sgd<double> before(groups_in(0, 1), Constant{0.1}, {.momentum = 0.9});
  all[1].parameter->freeze();
  Tape<double> tape;
  before.minimize(net.loss(tape));
  Sgd<double> after(groups_in(1, 0), Constant{0.1}, {.momentum = 0.9});
  after.restore(before.save());
  CHECK(after.save().at("updates/" + all[0].name).integers() == std::vector<std::int64_t>{1});
  CHECK(after.save().at("updates/" + all[1].name).integers() == std::vector<std::int64_t>{0});
  CHECK(serialize_safetensors(after.save()) == serialize_safetensors(before.save()));
}

TEST_CASE("gradient_norm: gradients that were used up do not count") {
  Parameter<double> a(Tensor<double>({1}, 3)), b(Tensor<double>({1}, 4));
  ParameterList<double> all;
  all.add("a", a).add("b", b);
  {
    Tape<double> tape;
    tape.backward(sum(tape.parameter(a) * 3.0) + sum(tape.parameter(b) * 4.0));
  }
  CHECK(optim::gradient_norm(optim::one_group(all)) == 5);
  b.consume_gradient();
  CHECK(optim::gradient_norm(optim::one_group(all)) == 3);
}
