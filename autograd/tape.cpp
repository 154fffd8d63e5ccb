#include "autograd/tape.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad {

template <Scalar T>
T Var<T>::item() const {
  if (shape().size() != 1) {
    throw ShapeError(
        fmt::format("item: {} has shape {}, but only a value of one element is a number", node_->op,
                    to_string(shape())));
  }
  return node_->value[0];
}

template <Scalar T>
Tape<T>::Tape(Arena& arena, bool recording)
    : arena_(&arena), outer_(arena.innermost()), start_(arena.mark()), recording_(recording) {
  arena.set_innermost(this);
}

template <Scalar T>
Tape<T>::~Tape() {
  assert(arena_->innermost() == this && "tapes end in the reverse order of their creation");
  arena_->rewind(start_);
  arena_->set_innermost(outer_);
}

template <Scalar T>
void Tape<T>::reject_not_innermost(const char* op) {
  throw GradError(fmt::format(
      "{}: another tape was started on this arena after this one; let it end first, or give each "
      "tape an Arena of its own",
      op));
}

template <Scalar T>
void Tape<T>::reject_foreign(const char* op) {
  throw GradError(fmt::format(
      "{}: an operand belongs to another tape; compute with values of one tape only", op));
}

template <Scalar T>
void Tape<T>::reject_early_grad(const char* op) {
  throw GradError(
      fmt::format("grad: called on {} before backward; it is for vjps: tape.gradient(x) after "
                  "tape.backward(loss) is the gradient",
                  op));
}

template <Scalar T>
inline Node<T>* Tape<T>::new_node(const char* op, const Shape& shape, std::size_t operand_count,
                                  Index numbers) {
  require_innermost(op);
  static_assert(alignof(T) <= alignof(Node<T>*));
  const std::size_t behind =
      operand_count * sizeof(Node<T>*) + static_cast<std::size_t>(numbers) * sizeof(T);
  return new (arena_->allocate(sizeof(Node<T>) + behind, alignof(Node<T>)))
      Node<T>(this, op, last_, shape, static_cast<int>(operand_count));
}

template <Scalar T>
Var<T> Tape<T>::constant(View<const T> value) {
  Node<T>* node = new_node("constant", value.shape(), 0, 0);
  node->value = const_cast<T*>(value.data());  // only read: no kernel ever gets it as a target
  last_ = node;
  return Var<T>(node);
}

template <Scalar T>
Var<T> Tape<T>::constant(T value) {
  Node<T>* node = new_node("constant", Shape{}, 0, 1);
  node->value = node->numbers();
  *node->value = value;
  last_ = node;
  return Var<T>(node);
}

template <Scalar T>
Node<T>* Tape<T>::new_leaf(const char* op, View<const T> value, Parameter<T>* parameter) {
  Node<T>* node = new_node(op, value.shape(), 0, 0);
  node->value = const_cast<T*>(value.data());
  if (recording_) {
    node->leaf = {parameter, parameter != nullptr ? parameter->version_ : 0, leaves_};
    node->needs_grad = parameter == nullptr || !parameter->frozen();
    leaves_ = node;
  }
  return last_ = node;
}

template <Scalar T>
Var<T> Tape<T>::variable(View<const T> value) {
  return Var<T>(new_leaf("variable", value, nullptr));
}

template <Scalar T>
Var<T> Tape<T>::parameter(Parameter<T>& parameter) {
  const bool trained = recording_ && !parameter.frozen();
  if (trained && parameter.gradient_.shape() != parameter.shape()) {
    parameter.gradient_ = Tensor<T>(parameter.shape());
  }
  const char* op = parameter.frozen() ? "constant" : "parameter";
  Node<T>* node = new_leaf(op, parameter.value(), &parameter);
  if (trained) node->gradient = parameter.gradient_.data();
  return Var<T>(node);
}

template <Scalar T>
Recording<T> Tape<T>::record(const char* op, const Shape& shape, std::span<const Var<T>> operands) {
  const Index n = shape.size();
  const bool few = are_few(n);
  Node<T>* node = new_node(op, shape, operands.size(), few ? 2 * n : 0);
  Node<T>** to = node->operands();
  bool needs_grad = false;
  for (const Var<T> operand : operands) {
    if (operand.node_->tape != this) reject_foreign(op);
    needs_grad |= operand.node_->needs_grad;
    *to++ = operand.node_;
  }
  node->needs_grad = needs_grad;
  node->value = few ? unwritten(node->numbers(), n) : new_numbers(n);
  last_ = node;
  if (observer_ != nullptr) observer_->forward_begins(*node);
  return Recording<T>(node);
}

template <Scalar T>
void Tape<T>::require_backward_allowed(Var<T> loss) const {
  const Node<T>& node = *loss.node_;
  if (node.tape != this) reject_foreign("backward");
  require_innermost("backward");
  if (backward_done_) {
    throw GradError("backward: this tape has already run backward; record a new one");
  }
  if (node.shape.size() != 1) {
    throw GradError(
        fmt::format("backward: the loss ({}) has shape {}, but must be a single number; "
                    "take its sum or mean",
                    node.op, to_string(node.shape)));
  }
  if (!node.needs_grad) {
    bool frozen = false;
    for (const Node<T>* leaf = leaves_; leaf != nullptr; leaf = leaf->leaf.next) {
      frozen |= !leaf->needs_grad;
    }
    throw GradError(fmt::format("backward: the loss ({}) depends on no parameter or variable{}",
                                node.op,
                                !recording_ ? ": NoGrad records no derivatives"
                                : frozen    ? " that is not frozen"
                                            : ""));
  }
  for (const Node<T>* leaf = leaves_; leaf != nullptr; leaf = leaf->leaf.next) {
    const Parameter<T>* parameter = leaf->leaf.parameter;
    if (parameter != nullptr && parameter->version_ != leaf->leaf.version) {
      throw GradError(
          fmt::format("backward: a parameter of shape {} was written after it was "
                      "recorded; write parameters before the forward pass or after "
                      "backward",
                      to_string(leaf->shape)));
    }
  }
}

template <Scalar T>
void Tape<T>::start_gradients(bool accumulating) {
  for (Node<T>* leaf = leaves_; leaf != nullptr; leaf = leaf->leaf.next) {
    Parameter<T>* parameter = parameter_of(*leaf);
    if (parameter == nullptr) continue;
    parameter->touched_ = accumulating && parameter->has_new_gradient_;
  }
  // Until this pass is through, no gradient is whole; a vjp that throws must not leave one for a
  // step.
  for (Node<T>* leaf = leaves_; leaf != nullptr; leaf = leaf->leaf.next) {
    Parameter<T>* parameter = parameter_of(*leaf);
    if (parameter == nullptr) continue;
    parameter->has_gradient_ = parameter->has_new_gradient_ = false;
    parameter->factored_ = false;
  }
}

template <Scalar T>
void Tape<T>::finish_gradients() {
  for (Node<T>* leaf = leaves_; leaf != nullptr; leaf = leaf->leaf.next) {
    if (!leaf->needs_grad) continue;
    Parameter<T>* parameter = parameter_of(*leaf);
    const bool reached = parameter != nullptr ? parameter->touched_ : leaf->gradient != nullptr;
    if (!reached) kernels::fill<T>(T(0), touch(*leaf));
    if (parameter != nullptr) parameter->has_gradient_ = parameter->has_new_gradient_ = true;
  }
}

template <Scalar T>
void Tape<T>::run_backward(Var<T> loss, bool accumulating, FactoredGradients<T>* factored) {
  require_backward_allowed(loss);
  backward_done_ = true;
  factored_ = factored;
  start_gradients(accumulating);
  kernels::fill<T>(T(1), loss.grad());
  walk_back();
  finish_gradients();
}

template <Scalar T>
void Tape<T>::add_product(Node<T>& node, const Factors<T>& factors) {
  assert(factors.a.shape().rank() == 2 && factors.b.shape().rank() == 2);
  assert(factors.a.shape()[0] == factors.b.shape()[0]);
  assert((node.shape == Shape{factors.a.shape()[1], factors.b.shape()[1]}));
  Parameter<T>* parameter = parameter_of(node);
  const bool first = parameter != nullptr && !parameter->touched_;
  if (first && factored_ != nullptr && observer_ == nullptr &&
      factored_->keep(*parameter, factors)) {
    parameter->touched_ = true;
    return;
  }
  const Grad<T> gradient = touch(node);
  kernels::gemm<T>(kernels::Op::transpose, kernels::Op::none, factors.a, factors.b, gradient);
}

// Every op stands behind its operands, so when a node is reached its gradient is complete.
template <Scalar T>
void Tape<T>::walk_back() {
  for (Node<T>* node = last_; node != nullptr; node = node->previous) {
    if (node->gradient == nullptr || node->vjp == nullptr) continue;
    if (observer_ != nullptr) observer_->backward_begins(*node);
    node->vjp(*node);
    if (observer_ != nullptr) observer_->backward_ends(*node);
  }
}

template <Scalar T>
View<const T> Tape<T>::gradient(Var<T> x) const {
  const Node<T>& node = *x.node_;
  if (node.tape != this) reject_foreign("gradient");
  if (!backward_done_) throw GradError("gradient: call backward(loss) on this tape first");
  if (!node.needs_grad) {
    throw GradError(fmt::format(
        "gradient: this value ({}) is a constant or depends on constants only", node.op));
  }
  if (const Parameter<T>* parameter = parameter_of(node)) return parameter->gradient();
  if (node.gradient != nullptr) return {node.gradient, node.shape};
  // Not the node's own: backward, if it is still under way, has not reached the node.
  require_innermost("gradient");
  T* zeros = arena_->allocate_array<T>(node.shape.size());
  std::fill_n(zeros, node.shape.size(), T(0));
  return {zeros, node.shape};
}

template <Scalar T>
std::vector<const Node<T>*> Tape<T>::nodes() const {
  std::vector<const Node<T>*> all;
  for (const Node<T>* node = last_; node != nullptr; node = node->previous) all.push_back(node);
  std::reverse(all.begin(), all.end());
  return all;
}

template class Var<float>;
template class Var<double>;
template class Var<Dual>;
template class Tape<float>;
template class Tape<double>;
template class Tape<Dual>;

}  // namespace tapegrad
