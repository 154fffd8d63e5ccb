#include "autograd/anomaly.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "autograd/instantiate.h"
#include "tensor/kernels.h"

namespace tapegrad {
namespace {

// The part of a number that is not finite, if one is.
template <Real T>
double suspect(T x) {
  return static_cast<double>(x);
}
double suspect(Dual x) { return std::isfinite(x.value) ? x.tangent : x.value; }

template <Scalar T>
bool value_is_finite(const Node<T>& node) {
  return kernels::all_finite(View<const T>(node.value, node.shape));
}

// Also true of a gradient that nobody has touched.
template <Scalar T>
bool gradient_is_finite(const Node<T>& node) {
  return node.gradient == nullptr || kernels::all_finite(View<const T>(node.gradient, node.shape));
}

template <Scalar T>
bool operands_are_finite(const Node<T>& node) {
  return std::all_of(node.operands(), node.operands() + node.operand_count,
                     [](const Node<T>* operand) { return value_is_finite(*operand); });
}

template <Scalar T>
bool is_leaf(const Node<T>& node) {
  return node.operand_count == 0;
}

template <Scalar T>
Index number_of(const Node<T>& node) {
  Index number = 0;
  for (const Node<T>* at = node.previous; at != nullptr; at = at->previous) ++number;
  return number;
}

// Whether an operand that is not finite always shows in the op's value: sums, products and copies
// of every element. What goes into them, a step's images and weights above all, is looked at only
// when their value is not finite. Functions may hide it: e^-inf is 0.
template <Scalar T>
bool shows_in_value(const Node<T>& node) {
  constexpr std::string_view ops[] = {
      "linear", "matmul",  "add",       "sub",          "mul",     "scale", "shift",  "neg",  "sum",
      "mean",   "reshape", "transpose", "broadcast_to", "permute", "flip",  "concat", "stack"};
  return node.shape.size() > 0 &&
         std::find(std::begin(ops), std::end(ops), node.op) != std::end(ops);
}

// The anomaly with the first number of `numbers` that is not finite.
template <Scalar T>
Anomaly locate(Anomaly anomaly, const T* numbers, const Shape& shape) {
  anomaly.shape = shape;
  const T* at =
      std::find_if(numbers, numbers + shape.size(), [](T x) { return !std::isfinite(suspect(x)); });
  anomaly.element = at - numbers;
  anomaly.found = suspect(*at);
  return anomaly;
}

std::string text_of(double number) {
  return std::isnan(number) ? "nan" : fmt::format("{}", number);  // whatever a NaN's sign
}

}  // namespace

std::vector<Index> Anomaly::index() const {
  std::vector<Index> places(static_cast<std::size_t>(shape.rank()));
  Index rest = element;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    places[static_cast<std::size_t>(axis)] = rest % shape[axis];
    rest /= shape[axis];
  }
  return places;
}

std::string to_string(const Anomaly& a) {
  const std::string op = fmt::format("{} (number {} on the tape)", a.op, a.number);
  const std::string where = fmt::format("{} at [{}] of {} (element {})", text_of(a.found),
                                        fmt::join(a.index(), ", "), to_string(a.shape), a.element);
  switch (a.kind) {
    case Anomaly::Kind::leaf:
      return fmt::format("forward: {}, operand {} of {}, holds {}", a.holder, a.operand, op, where);
    case Anomaly::Kind::value:
      return fmt::format("forward: {} gives {}; {}", op, where,
                         a.is_first ? "its operands are finite, so it is the first to go wrong"
                                    : "an operand that nobody watched was not finite either");
    case Anomaly::Kind::received:
      return fmt::format("backward: {} receives the gradient {}", op, where);
    case Anomaly::Kind::passed:
      return fmt::format("backward: {} passes to operand {}, {}, the gradient {}; {}", op,
                         a.operand, a.holder, where,
                         a.is_first ? "what it was given is finite, so it is the first to go wrong"
                                    : "an operand that nobody watched was not finite either");
  }
  return "";
}

template <Scalar T>
std::string AnomalyDetector<T>::describe_operand(const Node<T>& operand) const {
  for (const auto& p : parameters_) {
    if (operand.is(*p.parameter)) {
      return fmt::format("parameter `{}` (number {})", p.name, number_of(operand));
    }
  }
  return fmt::format("{} (number {})", operand.op, number_of(operand));
}

template <Scalar T>
void AnomalyDetector<T>::check_leaves(const Node<T>& node) const {
  for (int i = 0; i < node.operand_count; ++i) {
    const Node<T>& operand = *node.operands()[i];
    if (!is_leaf(operand) || value_is_finite(operand)) continue;
    throw AnomalyError(locate({.kind = Anomaly::Kind::leaf,
                               .op = node.op,
                               .number = number_of(node),
                               .operand = i,
                               .holder = describe_operand(operand)},
                              operand.value, operand.shape));
  }
}

template <Scalar T>
void AnomalyDetector<T>::forward_ends(const Node<T>& node) {
  const bool finite = value_is_finite(node);
  if (finite && shows_in_value(node)) return;
  check_leaves(node);
  if (finite) return;
  throw AnomalyError(locate({.kind = Anomaly::Kind::value,
                             .op = node.op,
                             .number = number_of(node),
                             .is_first = operands_are_finite(node)},
                            node.value, node.shape));
}

template <Scalar T>
void AnomalyDetector<T>::backward_begins(const Node<T>& node) {
  if (gradient_is_finite(node)) return;
  throw AnomalyError(
      locate({.kind = Anomaly::Kind::received, .op = node.op, .number = number_of(node)},
             node.gradient, node.shape));
}

template <Scalar T>
void AnomalyDetector<T>::backward_ends(const Node<T>& node) {
  for (int i = 0; i < node.operand_count; ++i) {
    const Node<T>& operand = *node.operands()[i];
    if (!operand.needs_grad || gradient_is_finite(operand)) continue;
    throw AnomalyError(locate({.kind = Anomaly::Kind::passed,
                               .op = node.op,
                               .number = number_of(node),
                               .operand = i,
                               .holder = describe_operand(operand),
                               .is_first = operands_are_finite(node) && value_is_finite(node)},
                              operand.gradient, operand.shape));
  }
}

#define TAPEGRAD_LIST(T) template class AnomalyDetector<T>;
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
