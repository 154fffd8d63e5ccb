// Every op in more surroundings, and with faults planted in what its vjp passes on: the check that
// the ops stand on must notice each.
#include <cmath>

#include "autograd/gradcheck_report.h"
#include "tests/autograd/ops_table.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::test;

namespace {

Index elements(const Example& example) {
  Index n = 0;
  for (const Shape& shape : example.shapes) n += shape.size();
  return n;
}

// A copy of x whose vjp passes on wrong(i, dy) for element i.
template <class F>
Var<double> planted(Var<double> x, F wrong) {
  auto y = x.tape().record("planted", x.shape(), {x});
  std::copy(x.value().begin(), x.value().end(), y.out().begin());
  return y.vjp([=](View<const double> dy) {
    const Grad<double> dx = x.grad();
    for (Index i = 0; i < dy.size(); ++i) dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + wrong(i, dy);
  });
}

using Wrong = double (*)(Index i, const View<const double>& dy);

struct PlantedFault {
  const char* name;
  Wrong wrong;
};

constexpr PlantedFault planted_faults[] = {
    {"wrong sign", [](Index i, const View<const double>& dy) { return -dy[i]; }},
    {"twice", [](Index i, const View<const double>& dy) { return 2 * dy[i]; }},
    {"off by a ten-thousandth",
     [](Index i, const View<const double>& dy) { return 1.0001 * dy[i]; }},
    {"forgotten", [](Index, const View<const double>&) { return 0.0; }},
    {"NaN", [](Index i, const View<const double>& dy) { return i == 0 ? std::nan("") : dy[i]; }},
};

// An op's first example whose gradient is not zero everywhere, as it is of `softmax` over one
// class.
const Example* telling_example(const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    if (elements(example) == 0) continue;
    const auto report = gradcheck(random_inputs(example, 42), example.f);
    for (const auto& entry : report.parameters.front().entries) {
      if (std::abs(entry.analytic) > 1e-3) return &example;
    }
  }
  return nullptr;
}

}  // namespace

TEST_CASE("ops: gradients hold with operands shared and with only some of them asked for") {
  Index cases = 0;
  for (const auto& [op, examples] : table()) {
    for (const auto& example : examples) {
      INFO(describe(op, example));
      if (elements(example) == 0) continue;
      const auto inputs = random_inputs(example, 7);
      // Other uses of the operand, recorded before and after the op.
      const auto shared = gradcheck(inputs, [&](In in) {
        const Var<double> before = sum(square(in[0]));
        const Var<double> y = example.f(in);
        return sum(y * y) + before + sum(in[0]);
      });
      INFO(to_string(shared));
      CHECK(shared.passed());
      ++cases;
      // Each operand in turn is the only one that takes a gradient.
      for (std::size_t k = 0; k < inputs.size() && inputs.size() > 1; ++k) {
        if (inputs[k].size() == 0) continue;
        const auto alone = gradcheck({inputs[k]}, [&](In in) {
          std::vector<Var<double>> all;
          for (std::size_t i = 0; i < inputs.size(); ++i) {
            all.push_back(i == k ? in[0] : in[0].tape().constant(inputs[i]));
          }
          return example.f(all);
        });
        INFO(fmt::format("operand {}\n{}", k, to_string(alone)));
        CHECK(alone.passed());
        ++cases;
      }
    }
  }
  INFO(fmt::format("{} cases", cases));
  CHECK(cases > 1000);
}

TEST_CASE("ops: a fault planted behind any op is caught") {
  int caught = 0;
  for (const auto& [op, examples] : table()) {
    const Example* example = telling_example(examples);
    INFO(op);
    REQUIRE(example != nullptr);
    for (const PlantedFault& fault : planted_faults) {
      const auto report = gradcheck(random_inputs(*example, 42), [&](In in) {
        std::vector<Var<double>> passed(in.begin(), in.end());
        passed[0] = planted(in[0], fault.wrong);
        return example->f(passed);
      });
      INFO(fault.name);
      CHECK_FALSE(report.passed());
      caught += !report.passed();
    }
  }
  CHECK(caught >= 5 * 53);
}
