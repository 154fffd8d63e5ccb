#include "examples/support/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "autograd/gradcheck_report.h"
#include "optim/audit.h"
#include "optim/sgd.h"
#include "tensor/error.h"

namespace tapegrad::examples {
namespace {

// What a wrong vjp makes of the right gradient dy of a matrix w, element by element in `dx`.
using WrongGradient = void (*)(const Shape& shape, View<const double> w, View<const double> dy,
                               std::span<double> dx);

// A copy of w whose vjp is wrong; `overwrites` when it also forgets to add.
Var<double> planted(Var<double> w, WrongGradient wrong, bool overwrites = false) {
  auto y = w.tape().record("planted", w.shape(), {w});
  std::copy(w.value().begin(), w.value().end(), y.out().begin());
  const auto scratch = w.tape().scratch<double>(w.shape().size());
  return y.vjp([=](View<const double> dy) {
    wrong(w.shape(), w.value(), dy, scratch);
    const Grad<double> dw = w.grad();
    for (Index i = 0; i < dy.size(); ++i) {
      const double before = dw.fresh || overwrites ? 0 : dw.to[i];
      dw.to[i] = before + scratch[static_cast<std::size_t>(i)];
    }
  });
}

template <int numerator, int denominator>
void scaled(const Shape&, View<const double>, View<const double> dy, std::span<double> dx) {
  std::transform(dy.begin(), dy.end(), dx.begin(),
                 [](double g) { return g * numerator / denominator; });
}

void read_transposed(const Shape& shape, View<const double>, View<const double> dy,
                     std::span<double> dx) {
  for (Index i = 0; i < shape[0]; ++i) {
    for (Index j = 0; j < shape[1]; ++j) dx[static_cast<std::size_t>(j * shape[0] + i)] = dy(i, j);
  }
}

void without_row(const Shape& shape, View<const double>, View<const double> dy,
                 std::span<double> dx) {
  std::copy(dy.begin(), dy.end(), dx.begin());
  std::fill_n(dx.begin() + 3 * shape[1], shape[1], 0.0);
}

void without_column(const Shape& shape, View<const double>, View<const double> dy,
                    std::span<double> dx) {
  std::copy(dy.begin(), dy.end(), dx.begin());
  for (Index i = 0; i < shape[0]; ++i) dx[static_cast<std::size_t>(i * shape[1] + 7)] = 0;
}

// Off by a millionth in the element of median size.
void one_element(const Shape&, View<const double>, View<const double> dy, std::span<double> dx) {
  std::copy(dy.begin(), dy.end(), dx.begin());
  std::vector<std::size_t> order(dx.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto middle = order.begin() + std::ssize(order) / 2;
  std::nth_element(order.begin(), middle, order.end(),
                   [&](auto a, auto b) { return std::abs(dx[a]) < std::abs(dx[b]); });
  dx[*middle] *= 1 + 1e-6;
}

void nan_element(const Shape&, View<const double>, View<const double> dy, std::span<double> dx) {
  std::copy(dy.begin(), dy.end(), dx.begin());
  dx[17] = std::numeric_limits<double>::quiet_NaN();
}

void forgotten(const Shape&, View<const double>, View<const double>, std::span<double> dx) {
  std::fill(dx.begin(), dx.end(), 0.0);
}

// Where a wrong gradient is planted.
enum class Place { weight, penalty, one_of_two_uses };

struct GradientFault {
  Fault fault;
  Place place;
  WrongGradient wrong;
};

constexpr GradientFault gradient_faults[] = {
    {{"double", "the gradient is twice what it should be"}, Place::weight, scaled<2, 1>},
    {{"half", "the gradient is half of what it should be"}, Place::weight, scaled<1, 2>},
    {{"sign", "the gradient has the wrong sign"}, Place::weight, scaled<-1, 1>},
    {{"ignored", "the vjp forgets this input"}, Place::weight, forgotten},
    {{"transposed", "the gradient is stored transposed"}, Place::weight, read_transposed},
    {{"row", "row 3 of the gradient is left out"}, Place::weight, without_row},
    {{"column", "column 7 of the gradient is left out"}, Place::weight, without_column},
    {{"element", "one element is off by a millionth"}, Place::weight, one_element},
    {{"nan", "one element is NaN"}, Place::weight, nan_element},
    {{"penalty-missing", "the penalty's gradient is left out"}, Place::penalty, forgotten},
    {{"penalty-half", "the penalty's gradient is lambda W"}, Place::penalty, scaled<1, 2>},
    {{"penalty-batch", "the penalty's gradient is divided by the batch size"},
     Place::penalty,
     scaled<1, 100>},
    {{"fan-out", "of two uses of a weight the last one counts"},
     Place::one_of_two_uses,
     scaled<1, 1>},
};

struct UpdateFault {
  Fault fault;
  double share;  // of 2 lambda W that the update contains; below 0: divided by the batch size
};

constexpr UpdateFault update_faults[] = {
    {{"update-cost-only", "the penalty is in the cost but not in the update"}, 0},
    {{"update-half", "the update contains lambda W, not 2 lambda W"}, 0.5},
    {{"update-batch", "the update's 2 lambda W is divided by the batch size"}, -1},
};

// The problem's cost again, with the first layer's weights passing through a wrong vjp.
Var<double> cost_with(const GradientFault& fault, CheckProblem& problem, Tape<double>& tape) {
  const ParameterList<double> all = problem.parameters();
  const auto p = [&](const char* name) { return tape.parameter(all.at(name)); };
  const auto wrong_if = [&](Place place, Var<double> w) {
    return fault.place == place ? planted(w, fault.wrong, place == Place::one_of_two_uses) : w;
  };
  const Var<double> x = tape.constant(problem.batch().x);
  const Var<double> w1 = wrong_if(Place::weight, p("0.weight"));
  const Var<double> hidden = linear(x, wrong_if(Place::one_of_two_uses, w1), p("0.bias"));
  const Var<double> logits = linear(relu(hidden), p("2.weight"), p("2.bias"));
  const Var<double> squares =
      sum(square(wrong_if(Place::penalty, w1))) + sum(square(p("2.weight")));
  const Var<double> cost =
      softmax_cross_entropy(logits, std::span<const std::int32_t>(problem.batch().y)) +
      squares * problem.lambda();
  if (fault.place != Place::one_of_two_uses) return cost;
  return cost + mean(square(linear(x, w1, p("0.bias"))));
}

FaultReport check_gradient(const GradientFault& fault, CheckProblem& problem) {
  const GradcheckReport report = gradcheck(
      problem.parameters(), [&](Tape<double>& tape) { return cost_with(fault, problem, tape); });
  return {!report.passed(), to_string(report)};
}

FaultReport check_update(const UpdateFault& fault, CheckProblem& problem) {
  const Index batch = problem.batch().x.shape()[0];
  const double share = fault.share < 0 ? 1.0 / static_cast<double>(batch) : fault.share;
  const optim::CyclicLr clr{.lr_min = 1e-3, .lr_max = 1e-1, .half_cycle = 5};
  optim::Sgd<double> sgd(optim::decay_matrices(problem.parameters(), share * 2 * problem.lambda()),
                         clr);
  const Cost<double> loss = problem.loss();
  const optim::AuditReport report =
      optim::audit_update(problem.parameters(), problem.cost(),
                          [&] {
                            Tape<double> tape;
                            tape.backward(loss(tape));
                            sgd.step();
                          },
                          {.lr = clr, .lambda = problem.lambda(), .batch_size = batch});
  return {!report.passed(), to_string(report)};
}

constexpr auto all_faults = [] {
  std::array<Fault, std::size(gradient_faults) + std::size(update_faults)> all{};
  std::size_t i = 0;
  for (const auto& f : gradient_faults) all[i++] = f.fault;
  for (const auto& f : update_faults) all[i++] = f.fault;
  return all;
}();

}  // namespace

std::span<const Fault> faults() { return all_faults; }

FaultReport check_fault(const std::string& name, CheckProblem& problem) {
  for (const auto& f : gradient_faults) {
    if (name == f.fault.name) return check_gradient(f, problem);
  }
  for (const auto& f : update_faults) {
    if (name == f.fault.name) return check_update(f, problem);
  }
  throw OptionError(
      fmt::format("--plant {}: there is no such fault; --plant list names them", name));
}

}  // namespace tapegrad::examples
