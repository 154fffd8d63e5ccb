#include "optim/audit.h"

#include <cmath>

#include "autograd/ops.h"
#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::optim;
using Catch::Matchers::Contains;

namespace {

constexpr double lambda = 0.1;
constexpr Index batch = 20;

/// A small network, a batch, the whole cost, and steps that are right or wrong in known ways.
struct Problem {
  Problem() : rng(5) {
    net.add<nn::Linear<double>>(6, 5, rng);
    net.add<nn::Relu<double>>();
    net.add<nn::Linear<double>>(5, 3, rng);
    x = rng.normal<double>({batch, 6}, 1);
    for (Index i = 0; i < batch; ++i) y.push_back(static_cast<std::int32_t>(i % 3));
    for (const auto& p : net.parameters()) {
      if (p.parameter->shape().rank() == 1) {
        for (double& b : p.parameter->write()) b = rng.normal();
      }
    }
  }

  Var<double> loss(Tape<double>& tape) {
    return softmax_cross_entropy(net(tape.constant(x)), std::span<const std::int32_t>(y));
  }
  Cost<double> cost() {
    return [this](Tape<double>& tape) {
      return loss(tape) + penalty(tape, decay_matrices(net.parameters(), 2 * lambda));
    };
  }

  /// Audits gradient descent that decays matrices and vectors by so much.
  AuditReport audit(double matrices, double vectors = 0, SgdOptions sgd_options = {},
                    AuditOptions options = {}) {
    auto groups = decay_matrices(net.parameters(), matrices);
    groups[1].weight_decay = vectors;
    const CyclicLr clr{.lr_min = 1e-5, .lr_max = 0.1, .half_cycle = 3};
    Sgd<double> sgd(groups, clr, sgd_options);
    options.lr = options.lr ? options.lr : clr;
    options.lambda = lambda;
    options.batch_size = batch;
    return audit_update(
        net.parameters(), cost(),
        [&] {
          Tape<double> tape;
          tape.backward(loss(tape));
          sgd.step();
        },
        options);
  }

  Rng rng;
  nn::Sequential<double> net;
  Tensor<double> x;
  std::vector<std::int32_t> y;
};

std::string diagnosis(const AuditReport& report) {
  CHECK_FALSE(report.passed());
  std::string all;
  for (const std::string& line : report.diagnosis) all += line + "\n";
  return all;
}

}  // namespace

TEST_CASE("audit: right updates pass: plain, momentum, Nesterov") {
  Problem p;
  CHECK(p.audit(2 * lambda).passed());
  CHECK(p.audit(2 * lambda, 0, {.momentum = 0.9}, {.momentum = 0.9}).passed());
  CHECK(p.audit(2 * lambda, 0, {.momentum = 0.9, .nesterov = true},
                {.momentum = 0.9, .nesterov = true})
            .passed());
}

TEST_CASE("audit: a penalty in the cost but not in the update is named") {
  Problem p;
  const AuditReport report = p.audit(0);
  const std::string text = diagnosis(report);
  CHECK_THAT(text, Contains("0.weight: penalty in the cost but not in the update"));
  CHECK_THAT(text, Contains("2.weight: penalty in the cost but not in the update"));
  CHECK(report.diagnosis.size() == 2);
  CHECK(report.parameters[1].passed);
}

TEST_CASE("audit: a penalty gradient divided by the batch size is named") {
  Problem p;
  CHECK_THAT(diagnosis(p.audit(2 * lambda / batch)),
             Contains("0.weight: 2 lambda W divided by the batch size (20) in the update"));
}

TEST_CASE("audit: lambda W in place of 2 lambda W is named") {
  Problem p;
  CHECK_THAT(diagnosis(p.audit(lambda)), Contains("0.weight: half of 2 lambda W in the update"));
}

TEST_CASE("audit: any other share of the penalty is given in numbers") {
  Problem p;
  CHECK_THAT(diagnosis(p.audit(3 * lambda)), Contains("1.5 times 2 lambda W in the update"));
}

TEST_CASE("audit: decayed biases are named") {
  Problem p;
  CHECK_THAT(diagnosis(p.audit(2 * lambda, 0.5)),
             Contains("0.bias: decayed by 0.5 times itself, though the cost does not penalise it"));
}

TEST_CASE("audit: a wrong learning rate is named with its factor") {
  Problem p;
  AuditOptions options;
  options.lr = CyclicLr{.lr_min = 2e-5, .lr_max = 0.2, .half_cycle = 3};
  CHECK_THAT(diagnosis(p.audit(2 * lambda, 0, {}, options)),
             Contains("0.bias: the update is 0.5 times what the cost asks for"));
}

TEST_CASE("audit: momentum that is missing shows from the second step on") {
  Problem p;
  CHECK_THAT(diagnosis(p.audit(2 * lambda, 0, {}, {.momentum = 0.9})),
             Contains("0.weight: the second step has no momentum"));
  CHECK_THAT(diagnosis(p.audit(2 * lambda, 0, {.momentum = 0.5}, {.momentum = 0.9})),
             Contains("right in the first step, wrong later: the momentum state is off"));
}

TEST_CASE("audit: parameters come back as they were") {
  Problem p;
  std::vector<Tensor<double>> before;
  for (const auto& q : p.net.parameters()) before.emplace_back(q.parameter->value());
  p.audit(2 * lambda);
  std::size_t i = 0;
  for (const auto& q : p.net.parameters())
    CHECK(Tensor<double>(q.parameter->value()) == before[i++]);
}

TEST_CASE("audit: without a penalty or a learning rate there is nothing to audit") {
  Problem p;
  AuditOptions options{.lr = Constant{0.1}};
  CHECK_THROWS_WITH(
      audit_update(
          p.net.parameters(), p.cost(), [] {}, options),
      "audit_update: lambda is 0, but must be above 0: without a penalty no mistake in "
      "its gradient can show");
  options = {.lr = {}, .lambda = 1};
  CHECK_THROWS_AS(audit_update(
                      p.net.parameters(), p.cost(), [] {}, options),
                  OptionError);
}

TEST_CASE("audit: a step that does nothing is named") {
  Problem p;
  const AuditReport report =
      audit_update(p.net.parameters(), p.cost(), [] {}, {.lr = Constant{0.1}, .lambda = lambda});
  CHECK_THAT(diagnosis(report), Contains("0.weight: is not updated at all"));
}

TEST_CASE("audit: an update that is NaN in one element fails") {
  Problem p;
  const AuditReport report =
      audit_update(p.net.parameters(), p.cost(),
                   [&] { p.net.parameters()[0].parameter->write()[0] = std::nan(""); },
                   {.lr = Constant{0.1}, .lambda = lambda});
  CHECK_FALSE(report.parameters[0].passed);
  CHECK(std::isnan(report.parameters[0].error));
}

TEST_CASE("audit: running statistics that a step moves are no update") {
  Problem p;
  p.net.add<nn::BatchNorm<double>>(3);
  CHECK(p.audit(2 * lambda).passed());
  CHECK_FALSE(p.audit(lambda).passed());
}

TEST_CASE("audit: a step with no learning rate shows nothing, and is refused") {
  Problem p;
  const CyclicLr from_zero{.lr_min = 0, .lr_max = 0.1, .half_cycle = 3};
  CHECK_THROWS_WITH(p.audit(2 * lambda, 0, {}, {.lr = from_zero}),
                    "audit_update: lr is 0 in step 0, but must be finite and above 0, or no update "
                    "shows");
}

TEST_CASE("audit: a parameter that is zero, has no gradient and is not moved is right") {
  Problem p;
  Parameter<double> unused(Tensor<double>({2}));
  ParameterList<double> all = p.net.parameters();
  all.add("unused", unused);
  Sgd<double> sgd(decay_matrices(all, 2 * lambda), Constant{0.1});
  const auto report = audit_update(all, p.cost(),
                                   [&] {
                                     Tape<double> tape;
                                     tape.backward(p.loss(tape));
                                     sgd.step();
                                   },
                                   {.lr = Constant{0.1}, .lambda = lambda});
  CHECK(report.passed());
}

TEST_CASE("audit: an unknown batch size explains nothing") {
  Parameter<double> w(Tensor<double>({1, 2}, {1.0, -3.0}));
  ParameterList<double> all;
  all.add("w", w);
  const double strength = 0.1, rate = 0.1;
  const auto loss = [&](Tape<double>& tape) {
    return sum(square(tape.parameter(w)) * 0.5) + sum(tape.parameter(w));
  };
  const auto report = optim::audit_update(
      all,
      [&](Tape<double>& tape) { return loss(tape) + sum(square(tape.parameter(w))) * strength; },
      [&] {
        const View<double> x = w.write();
        for (double& v : x) v -= rate * (v + 1 + 0.3 * 2 * strength * v);
      },
      {.lr = [=](Index) { return rate; }, .lambda = strength, .steps = 1});
  REQUIRE(report.diagnosis.size() == 1);
  CHECK(report.diagnosis[0] == "w: 0.3 times 2 lambda W in the update");
}
