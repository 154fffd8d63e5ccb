#include "nn/lint.h"

#include <fmt/format.h>

#include <string_view>

#include "autograd/parameter_values.h"
#include "tensor/kernels.h"

namespace tapegrad::nn {
namespace {

constexpr Index least_examples = 100;
constexpr double limit_distance = 0.01;
constexpr double share_of_examples = 0.99;

// What a unit's numbers look like when it lets no gradient through.
struct Complaint {
  bool (*stuck)(double y);
  double share;  // of its numbers that are so, at least
  const char* what;
  const char* advice;
};

const Complaint* complaint_of(std::string_view op) {
  static constexpr Complaint dead{[](double y) { return y == 0; }, 1, "0 for all",
                                  "they learn nothing any more; a lower learning rate, less "
                                  "penalty or leaky_relu may keep them "
                                  "alive"};
  static constexpr Complaint saturated_sigmoid{
      [](double y) { return y < limit_distance || y > 1 - limit_distance; }, share_of_examples,
      "within 0.01 of a limit for 99 %",
      "they hardly learn; smaller initial weights, a lower learning rate or normalization may "
      "help"};
  static constexpr Complaint saturated_tanh{
      [](double y) { return y < -1 + limit_distance || y > 1 - limit_distance; },
      saturated_sigmoid.share, saturated_sigmoid.what, saturated_sigmoid.advice};
  if (op == "relu") return &dead;
  if (op == "sigmoid") return &saturated_sigmoid;
  if (op == "tanh") return &saturated_tanh;
  return nullptr;
}

// Images have channels at axis 1; whatever else has its units last.
template <Real T>
kernels::AxisSplit units_of(const Node<T>& node) {
  return kernels::split_axis(node.shape, node.shape.rank() == 4 ? 1 : node.shape.rank() - 1);
}

template <Real T>
bool is_stuck(const Node<T>& node, kernels::AxisSplit s, Index unit, const Complaint& complaint) {
  Index stuck = 0;
  for (Index o = 0; o < s.outer; ++o) {
    const T* block = node.value + (o * s.n + unit) * s.inner;
    for (Index i = 0; i < s.inner; ++i) stuck += complaint.stuck(static_cast<double>(block[i]));
  }
  return static_cast<double>(stuck) >= complaint.share * static_cast<double>(s.outer * s.inner);
}

// " behind 0.weight": the nearest parameter on the way back from the node, or nothing.
template <Real T>
std::string place(const Node<T>& node, const ParameterList<T>& parameters) {
  for (const Node<T>* at = &node; at->operand_count > 0; at = at->operands()[0]) {
    for (int i = 1; i < at->operand_count; ++i) {
      for (const auto& p : parameters) {
        if (at->operands()[i]->is(*p.parameter)) return " behind " + p.name;
      }
    }
  }
  return "";
}

}  // namespace

template <Real T>
std::vector<std::string> lint_units(Module<T>& model, View<const T> x) {
  std::vector<std::string> findings;
  if (x.shape().rank() == 0 || x.shape()[0] < least_examples) return findings;
  const ParameterList<T> parameters = model.parameters();
  const RestoreGenerators<T> restore(parameters);
  NoGrad<T> tape;
  model(tape.constant(x));
  for (const Node<T>* node : tape.nodes()) {
    const Complaint* complaint = complaint_of(node->op);
    if (complaint == nullptr || node->shape.rank() < 2 || node->shape.size() == 0) continue;
    const kernels::AxisSplit units = units_of(*node);
    Index stuck = 0;
    for (Index unit = 0; unit < units.n; ++unit) {
      stuck += is_stuck(*node, units, unit, *complaint);
    }
    if (stuck == 0) continue;
    findings.push_back(fmt::format("{}{}: {} of {} units ({:.0f} %) are {} of {} examples: {}",
                                   node->op, place(*node, parameters), stuck, units.n,
                                   100 * static_cast<double>(stuck) / static_cast<double>(units.n),
                                   complaint->what, x.shape()[0], complaint->advice));
  }
  return findings;
}

template std::vector<std::string> lint_units(Module<float>&, View<const float>);
template std::vector<std::string> lint_units(Module<double>&, View<const double>);

}  // namespace tapegrad::nn
