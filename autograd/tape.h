// Reverse-mode differentiation: values are computed and recorded on a Tape; backward walks it back.
#pragma once

#include <cassert>
#include <cstring>
#include <initializer_list>
#include <map>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/arena.h"
#include "autograd/factored_gradients.h"
#include "autograd/parameter.h"

namespace tapegrad {

/// Where a vjp puts an operand's gradient: overwriting at the first touch, adding afterwards.
template <class T>
using Grad = Target<T>;

/// Tells backward to add to gradients that no step has consumed yet instead of replacing them.
struct Accumulate {};
inline constexpr Accumulate accumulate{};

template <Scalar T>
class Var;
template <Scalar T>
class Recording;
class VjpAudit;

/// One entry of a tape. Lives in the arena; its operands stand right behind it, then its numbers
/// and their gradient if these are few: recording an op on single numbers takes one piece of
/// memory.
template <Scalar T>
struct Node {
  /// What only variables and parameters have.
  struct Leaf {
    Parameter<T>* parameter;  // null for Tape::variable
    std::uint64_t version;    // of the parameter, when it was recorded
    Node* next;
  };

  // Leaves the union as it is.
  Node(Tape<T>* recorder, const char* name, Node* before, const Shape& its_shape, int operands)
      : tape(recorder), op(name), previous(before), operand_count(operands), shape(its_shape) {}

  Tape<T>* tape;
  const char* op;
  Node* previous;
  void (*vjp)(const Node&) = nullptr;  // null for leaves and constants
  union {
    Leaf leaf;
    alignas(Leaf) std::byte captures[sizeof(Leaf)];  // of the vjp, if they fit
    void* large_captures;
  };
  bool needs_grad = false;
  int operand_count;
  Shape shape;
  T* value = nullptr;
  T* gradient = nullptr;  // null until backward reaches the node; a parameter's is its own

  Node** operands() { return reinterpret_cast<Node**>(this + 1); }
  Node* const* operands() const { return reinterpret_cast<Node* const*>(this + 1); }

  /// Whether this is the parameter as a value, frozen or not: its numbers are borrowed.
  bool is(const Parameter<T>& p) const { return value == p.value().data(); }

  /// Where few numbers stand.
  T* numbers() { return reinterpret_cast<T*>(operands() + operand_count); }
};

/// Watches a tape at work, for profiles and for finding where numbers stop being finite. A node
/// that is watched belongs to the tape and may be read while the call lasts.
template <Scalar T>
class TapeObserver {
 public:
  virtual ~TapeObserver() = default;

  /// An op is about to compute its value.
  virtual void forward_begins(const Node<T>& node) { static_cast<void>(node); }
  /// It has computed it. Constants, variables and parameters are not announced.
  virtual void forward_ends(const Node<T>& node) { static_cast<void>(node); }
  /// The node's gradient is complete; its vjp is about to run.
  virtual void backward_begins(const Node<T>& node) { static_cast<void>(node); }
  /// The vjp has added its share to the operands' gradients.
  virtual void backward_ends(const Node<T>& node) { static_cast<void>(node); }
};

/// A value on a tape: one pointer, copied freely, valid until its tape ends.
template <Scalar T>
class Var {
 public:
  const Shape& shape() const { return node_->shape; }
  View<const T> value() const { return {node_->value, node_->shape}; }
  Tape<T>& tape() const { return *node_->tape; }

  /// Whether the loss's gradient with respect to this value may be asked for: false for constants
  /// and all that depends on constants only.
  bool needs_grad() const { return node_->needs_grad; }

  /// Inside a vjp: where this operand's gradient goes. Calling it marks the operand as touched, so
  /// call it once per kernel, in a statement of its own, and only when needs_grad(). Throws
  /// GradError before backward; afterwards Tape::gradient reads the whole gradient.
  Grad<T> grad() const {
    if (!node_->tape->backward_done_) Tape<T>::reject_early_grad(node_->op);
    return node_->tape->touch(*node_);
  }

  /// Inside a vjp: grad() += a^T b, where a parameter's gradient may be left as these factors. They
  /// must stay as they are until the tape ends.
  void add_product(View<const T> a, View<const T> b) const {
    node_->tape->add_product(*node_, {a, b});
  }

  /// The number, of a value that has exactly one. Throws ShapeError otherwise.
  T item() const;

 private:
  friend class Tape<T>;
  friend class Recording<T>;
  explicit Var(Node<T>* node) : node_(node) {}

  Node<T>* node_;
};

/// An op that is being recorded: write its value to out(), then end with vjp() or constant(); there
/// is no other way to get a Var, so no op can forget its derivative.
template <Scalar T>
class [[nodiscard]] Recording {
 public:
  const Shape& shape() const { return node_->shape; }
  View<T> out() const { return {node_->value, node_->shape}; }
  View<const T> value() const { return {node_->value, node_->shape}; }

  /// The vector-Jacobian product: `f` takes dy, the loss's gradient with respect to this op's
  /// value, and adds its share to each operand's grad(). It may capture Vars, Recordings, Views,
  /// spans and scalars by value: it is copied into the arena as bytes. Values must stay as they are
  /// until the tape ends, because Optimizer::minimize reads them after backward.
  template <class F>
  Var<T> vjp(F f) {
    static_assert(std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F>,
                  "a vjp may capture Vars, Views, spans and scalars only");
    if (node_->needs_grad) {
      constexpr bool fits = sizeof(F) <= sizeof(node_->captures) && alignof(F) <= alignof(void*);
      void* room = node_->captures;
      if constexpr (!fits) {
        room = node_->tape->arena().allocate(sizeof(F), alignof(F));
        node_->large_captures = room;
      }
      new (room) F(f);
      node_->vjp = [](const Node<T>& node) {
        const void* captures = node.captures;
        if constexpr (!fits) captures = node.large_captures;
        (*static_cast<const F*>(captures))(View<const T>(node.gradient, node.shape));
      };
    }
    return finish();
  }

  /// The value alone: nothing flows back through this op.
  Var<T> constant() {
    node_->needs_grad = false;
    return finish();
  }

 private:
  friend class Tape<T>;
  explicit Recording(Node<T>* node) : node_(node) {}

  Var<T> finish() {
    if (node_->tape->observer_ != nullptr) node_->tape->observer_->forward_ends(*node_);
    return Var<T>(node_);
  }

  Node<T>* node_;
};

/// One recording. Create it, compute, call backward(loss), let it go out of scope. A tape and its
/// arena belong to one thread; tapes on one arena nest like scopes. Misuse throws GradError.
template <Scalar T>
class Tape {
 public:
  /// Records in the calling thread's arena.
  Tape() : Tape(Arena::of_this_thread()) {}
  explicit Tape(Arena& arena) : Tape(arena, true) {}
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  static void* operator new(std::size_t) = delete;  // tapes are scopes

  /// A value that takes no gradient. It is borrowed: the numbers must stay until the tape ends; of
  /// a temporary the tape keeps a copy. constant(x.value()) of a value on this tape is what others
  /// call detach.
  Var<T> constant(View<const T> value);
  Var<T> constant(const Tensor<T>& value) { return constant(value.view()); }
  Var<T> constant(Tensor<T>&& value) { return constant(kept(value)); }

  /// A single number that takes no gradient.
  Var<T> constant(T value);

  /// A value whose gradient is read with gradient() after backward. Borrowed, as a constant is.
  Var<T> variable(View<const T> value);
  Var<T> variable(const Tensor<T>& value) { return variable(value.view()); }
  Var<T> variable(Tensor<T>&& value) { return variable(kept(value)); }

  /// A parameter as a value. Used several times, it still has one gradient, the sum.
  Var<T> parameter(Parameter<T>& parameter);

  /// Starts an op named `op` (a string literal) whose value has the given shape.
  Recording<T> record(const char* op, const Shape& shape, std::initializer_list<Var<T>> operands) {
    return record(op, shape, std::span<const Var<T>>(operands.begin(), operands.size()));
  }
  Recording<T> record(const char* op, const Shape& shape, std::span<const Var<T>> operands);

  /// Writes d loss / d p into every parameter recorded on this tape, replacing what was there, and
  /// zero where the loss does not depend on p. `loss` has one element; once per tape.
  void backward(Var<T> loss) { run_backward(loss, false); }

  /// The same, adding to gradients that no step has consumed.
  void backward(Var<T> loss, Accumulate) { run_backward(loss, true); }

  /// The first, but gradients of listed parameters may be left as factors; the list must stay until
  /// this returns. Where an observer watches, all are written.
  void backward(Var<T> loss, FactoredGradients<T>& factored) {
    run_backward(loss, false, &factored);
  }

  /// d loss / d x after backward, for any value on the tape; zeros when the loss does not depend on
  /// it. Of a parameter: its gradient(), under `accumulate` the sum so far. Throws GradError before
  /// backward, for a parameter while it is under way, or for a constant.
  View<const T> gradient(Var<T> x) const;

  /// Room for numbers or indices that a vjp needs later; valid until the tape ends.
  template <class U>
  std::span<U> scratch(Index n) {
    require_innermost("scratch");
    return {arena_->allocate_array<U>(n), static_cast<std::size_t>(n)};
  }

  /// A copy of a caller's span that lives as long as the tape.
  template <class U>
  std::span<const U> copy(std::span<const U> values) {
    static_assert(std::is_trivially_copyable_v<U>);
    const auto to = scratch<U>(std::ssize(values));
    if (!values.empty()) std::memcpy(to.data(), values.data(), values.size_bytes());
    return to;
  }

  /// Everything recorded so far, oldest first.
  std::vector<const Node<T>*> nodes() const;

  Arena& arena() const { return *arena_; }

  /// Announces every op from now on to `observer`, which must stay until the tape ends; null: to
  /// nobody.
  void observe(TapeObserver<T>* observer) { observer_ = observer; }

  /// Whether derivatives are recorded: false for NoGrad.
  bool recording() const { return recording_; }

 protected:
  Tape(Arena& arena, bool recording);

 private:
  friend class Var<T>;
  friend class Recording<T>;
  friend class VjpAudit;

  View<const T> kept(View<const T> value) { return {copy(value.span()).data(), value.shape()}; }

  // Memory for an entry, and for numbers behind it. It belongs to the tape when last_ is set to it,
  // once it has everything that it needs: when memory runs out before, the tape is as it was.
  Node<T>* new_node(const char* op, const Shape& shape, std::size_t operand_count, Index numbers);
  Node<T>* new_leaf(const char* op, View<const T> value, Parameter<T>* parameter);

  // Fewer numbers than fill a cache line stand with their node, as does their gradient.
  static bool are_few(Index n) { return n * Index{sizeof(T)} < 64; }
  T* new_numbers(Index n) { return unwritten(arena_->allocate_array<T>(n), n); }
  T* new_gradient(Node<T>& node) {
    if (rooms_ != nullptr) {
      if (const auto room = rooms_->find(&node); room != rooms_->end()) return room->second;
    }
    const Index n = node.shape.size();
    const bool has_room = node.vjp != nullptr && are_few(n);
    return has_room ? unwritten(node.numbers() + n, n) : new_numbers(n);
  }
  static T* unwritten(T* numbers, [[maybe_unused]] Index n) {
#ifndef NDEBUG
    // All bits set is NaN: a kernel that forgets to write an element is seen at once.
    if (n > 0)
      std::memset(static_cast<void*>(numbers), 0xff, static_cast<std::size_t>(n) * sizeof(T));
#endif
    return numbers;
  }

  // Where a node's gradient goes: fresh at the first touch. A parameter's leaves share its
  // gradient.
  Grad<T> touch(Node<T>& node) {
    assert(node.needs_grad && "ask needs_grad() before grad()");
    bool first = node.gradient == nullptr;
    if (first) node.gradient = new_gradient(node);
    if (Parameter<T>* parameter = parameter_of(node)) {
      if (factored_ != nullptr && parameter->factored_) factored_->write(*parameter);
      first = !std::exchange(parameter->touched_, true);
    }
    return {View<T>(node.gradient, node.shape), first};
  }
  static Parameter<T>* parameter_of(const Node<T>& node) {
    return node.needs_grad && node.vjp == nullptr ? node.leaf.parameter : nullptr;
  }
  void add_product(Node<T>& node, const Factors<T>& factors);
  void run_backward(Var<T> loss, bool accumulating, FactoredGradients<T>* factored = nullptr);
  void require_backward_allowed(Var<T> loss) const;
  void start_gradients(bool accumulating);
  void walk_back();
  void finish_gradients();
  void require_innermost(const char* op) const {
    if (arena_->innermost() != this) reject_not_innermost(op);
  }
  [[noreturn]] static void reject_not_innermost(const char* op);
  [[noreturn]] static void reject_foreign(const char* op);
  [[noreturn]] static void reject_early_grad(const char* op);

  Arena* arena_;
  const void* outer_;  // the innermost tape before this one
  Arena::Mark start_;
  Node<T>* last_ = nullptr;
  Node<T>* leaves_ = nullptr;
  TapeObserver<T>* observer_ = nullptr;
  FactoredGradients<T>* factored_ = nullptr;  // of the backward pass, if it may leave such
  const std::map<const Node<T>*, T*>* rooms_ = nullptr;  // for gradients, while a vjp is audited
  bool recording_;
  bool backward_done_ = false;
};

/// Computes values and records no derivatives: for evaluation. Parameters are constants on it.
template <Scalar T>
class NoGrad : public Tape<T> {
 public:
  NoGrad() : NoGrad(Arena::of_this_thread()) {}
  explicit NoGrad(Arena& arena) : Tape<T>(arena, false) {}
};

}  // namespace tapegrad
