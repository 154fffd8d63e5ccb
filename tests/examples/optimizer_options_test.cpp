#include "examples/support/optimizer_options.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::examples;
using Catch::Matchers::Message;

namespace {

/// What a program with both kinds of options makes of its arguments.
struct Parsed {
  explicit Parsed(std::vector<std::string> arguments) {
    CommandLine command_line("program", "");
    optimizer.add_options(command_line);
    schedule.add_options(command_line);
    arguments.insert(arguments.begin(), "program");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    const int code = command_line.run(static_cast<int>(argv.size()), argv.data(), [] { return 7; });
    REQUIRE(code == 7);
  }

  OptimizerOptions optimizer;
  ScheduleOptions schedule;
};

struct Weight {
  Weight() { all.add("w", parameter); }

  Parameter<double> parameter{Tensor<double>({1}, 1)};
  ParameterList<double> all;
};

using Steps = std::vector<double>;

/// The weight after each of three steps along gradients that change, with weight decay.
Steps train(const std::function<std::unique_ptr<optim::Optimizer<double>>(
                optim::ParamGroups<double>, optim::Schedule)>& make) {
  Weight w;
  const auto optimizer = make({{w.all, 0.5}}, optim::Constant{0.1});
  Steps steps;
  for (const double gradient : {3.0, -1.0, 5.0}) {
    Tape<double> tape;
    tape.backward(sum(scale(tape.parameter(w.parameter), gradient)));
    optimizer->step();
    steps.push_back(w.parameter.value()[0]);
  }
  return steps;
}

template <class O, class Options>
Steps direct(Options options) {
  return train([&](optim::ParamGroups<double> groups, optim::Schedule schedule) {
    return std::make_unique<O>(groups, schedule, options);
  });
}

Steps chosen(const std::vector<std::string>& arguments) {
  const Parsed parsed(arguments);
  return train([&](optim::ParamGroups<double> groups, optim::Schedule schedule) {
    return parsed.optimizer.make<double>(groups, schedule);
  });
}

}  // namespace

TEST_CASE("optimizer options: each name makes its optimizer, and no two are the same") {
  using optim::Sgd, optim::Adam, optim::AdaGrad, optim::RmsProp;
  const std::vector<std::pair<std::vector<std::string>, Steps>> cases = {
      {{}, direct<Sgd<double>>(optim::SgdOptions{})},
      {{"--optimizer", "momentum"}, direct<Sgd<double>>(optim::SgdOptions{.momentum = 0.9})},
      {{"--optimizer", "momentum", "--momentum", "0.5"},
       direct<Sgd<double>>(optim::SgdOptions{.momentum = 0.5})},
      {{"--optimizer", "nesterov"},
       direct<Sgd<double>>(optim::SgdOptions{.momentum = 0.9, .nesterov = true})},
      {{"--optimizer", "adam"}, direct<Adam<double>>(optim::AdamOptions{})},
      {{"--optimizer", "adamw"}, direct<Adam<double>>(optim::AdamOptions{.decoupled = true})},
      {{"--optimizer", "adagrad"}, direct<AdaGrad<double>>(optim::AdaGradOptions{})},
      {{"--optimizer", "rmsprop"}, direct<RmsProp<double>>(optim::RmsPropOptions{.momentum = 0.9})},
      {{"--optimizer", "rmsprop", "--momentum", "0"},
       direct<RmsProp<double>>(optim::RmsPropOptions{})},
      {{"--clip-norm", "2"}, direct<Sgd<double>>(optim::SgdOptions{.clip = {.norm = 2}})},
      {{"--optimizer", "adam", "--clip-norm", "2"},
       direct<Adam<double>>(optim::AdamOptions{.clip = {.norm = 2}})},
      {{"--optimizer", "adagrad", "--clip-norm", "2"},
       direct<AdaGrad<double>>(optim::AdaGradOptions{.clip = {.norm = 2}})},
      {{"--optimizer", "rmsprop", "--clip-norm", "2"},
       direct<RmsProp<double>>(optim::RmsPropOptions{.momentum = 0.9, .clip = {.norm = 2}})},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (std::size_t j = 0; j < cases.size(); ++j) {
      CAPTURE(i, j);
      CHECK((chosen(cases[i].first) == cases[j].second) == (i == j));
    }
  }
}

TEST_CASE("optimizer options: a momentum without a use is refused") {
  for (const char* name : {"sgd", "adam", "adamw", "adagrad"}) {
    const Parsed parsed({"--optimizer", name, "--momentum", "0.9"});
    CHECK_THROWS_MATCHES(parsed.optimizer.check(), UsageError,
                         Message("--momentum has no meaning with --optimizer " + std::string(name) +
                                 ", only with momentum, nesterov, rmsprop"));
  }
  CHECK_THROWS_MATCHES((OptimizerOptions{.optimizer = "nesterov", .momentum = 0}.check()),
                       UsageError, Message("--optimizer nesterov needs a --momentum above 0"));
  CHECK_THROWS_AS(OptimizerOptions{.optimizer = "best"}.check(), UsageError);
  const Weight w;
  CHECK_THROWS_AS(
      OptimizerOptions{.momentum = 0.5}.make<double>(optim::one_group(w.all), optim::Constant{1}),
      UsageError);
}

TEST_CASE("schedule options: by default the triangle of the course, for one cycle") {
  const ScheduleOptions options = Parsed({}).schedule;
  const optim::CyclicLr clr{.lr_min = 1e-5, .lr_max = 1e-1, .half_cycle = 500};
  const optim::Schedule schedule = options.schedule();
  for (Index t = 0; t < 2500; ++t) CHECK(schedule(t) == clr(t));
  CHECK(options.steps() == 1000);
  CHECK(options.cycle_steps() == 1000);
}

TEST_CASE("schedule options: each name makes its schedule, and no two are the same") {
  const std::vector<std::string> ends = {"--lr-min", "0.25", "--lr-max", "0.5"};
  const auto with_ends = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), ends.begin(), ends.end());
    arguments.insert(arguments.end(), {"--half-cycle", "2"});
    return arguments;
  };
  const std::vector<std::pair<std::vector<std::string>, optim::Schedule>> cases = {
      {with_ends({}), optim::CyclicLr{.lr_min = 0.25, .lr_max = 0.5, .half_cycle = 2}},
      {with_ends({"--peak-decay", "0.5", "--cycle-growth", "2"}),
       optim::CyclicLr{
           .lr_min = 0.25, .lr_max = 0.5, .half_cycle = 2, .peak_decay = 0.5, .growth = 2}},
      {with_ends({"--schedule", "cosine"}),
       optim::CosineLr{.lr_min = 0.25, .lr_max = 0.5, .period = 4}},
      {with_ends({"--schedule", "cosine", "--cycle-growth", "3"}),
       optim::CosineLr{.lr_min = 0.25, .lr_max = 0.5, .period = 4, .growth = 3}},
      {{"--schedule", "step", "--lr", "8", "--step-every", "3", "--step-factor", "0.5"},
       optim::StepDecay{.lr = 8, .factor = 0.5, .every = 3}},
      {{"--schedule", "constant", "--lr", "8"}, optim::Constant{8}},
  };
  const auto rates = [](const optim::Schedule& schedule) {
    Steps all;
    for (Index t = 0; t < 30; ++t) all.push_back(schedule(t));
    return all;
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (std::size_t j = 0; j < cases.size(); ++j) {
      CAPTURE(i, j);
      const Steps made = rates(Parsed(cases[i].first).schedule.schedule());
      CHECK((made == rates(cases[j].second)) == (i == j));
    }
  }
}

TEST_CASE("schedule options: the steps of all cycles") {
  CHECK(Parsed({"--half-cycle", "800", "--cycles", "3"}).schedule.steps() == 4800);
  const ScheduleOptions growing =
      Parsed({"--half-cycle", "5", "--cycles", "3", "--cycle-growth", "2"}).schedule;
  CHECK(growing.steps() == 70);
  CHECK(growing.cycle_steps() == 10);
  CHECK(Parsed({"--schedule", "constant", "--cycles", "2"}).schedule.steps() == 2000);
  CHECK_THROWS_AS(Parsed({"--cycles", "100", "--cycle-growth", "2"}).schedule.steps(), OptionError);
}

TEST_CASE("schedule options: what contradicts itself is refused") {
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& text) {
    const ScheduleOptions options = Parsed(arguments).schedule;
    CHECK_THROWS_MATCHES(options.schedule(), UsageError, Message(text));
    CHECK_THROWS_MATCHES(options.steps(), UsageError, Message(text));
  };
  refused({"--lr-min", "1"}, "--lr-min is above --lr-max");
  refused({"--lr", "1"}, "--lr has no meaning with --schedule cyclic, only with step, constant");
  refused({"--schedule", "constant", "--lr-max", "1"},
          "--lr-max has no meaning with --schedule constant, only with cyclic, cosine");
  refused({"--schedule", "step", "--lr-min", "0"},
          "--lr-min has no meaning with --schedule step, only with cyclic, cosine");
  refused({"--schedule", "cosine", "--peak-decay", "0.5"},
          "--peak-decay has no meaning with --schedule cosine, only with cyclic");
  refused({"--schedule", "step", "--cycle-growth", "2"},
          "--cycle-growth has no meaning with --schedule step, only with cyclic, cosine");
  refused({"--step-every", "5"},
          "--step-every has no meaning with --schedule cyclic, only with step");
  refused({"--schedule", "constant", "--step-factor", "0.5"},
          "--step-factor has no meaning with --schedule constant, only with step");
  CHECK_THROWS_AS(ScheduleOptions{.kind = "square"}.schedule(), UsageError);
}

TEST_CASE("schedule options: a range of one rate is one") {
  examples::ScheduleOptions options;
  options.lr_min = options.lr_max;
  CHECK_NOTHROW(options.schedule());
}
