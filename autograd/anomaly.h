// Finds where numbers stop being finite.
#pragma once

#include <string>
#include <vector>

#include "autograd/parameter_list.h"
#include "autograd/tape.h"
#include "tensor/error.h"

namespace tapegrad {

/// The first number of a tape that was found to be NaN or infinite.
struct Anomaly {
  enum class Kind {
    leaf,      // in a constant, variable or parameter that an op was given
    value,     // in what an op computed
    received,  // in the loss's gradient with respect to an op's value, before its vjp
    passed     // in the gradient that an op's vjp passed to an operand
  };

  Kind kind = Kind::value;
  std::string op;           // the op at work
  Index number = 0;         // its number on the tape, as describe() counts
  int operand = -1;         // of leaf and passed: which of the op's operands, from 0
  std::string holder = "";  // of those: what that operand is, "parameter `0.weight` (number 2)"
  Shape shape = {};         // of the tensor that holds the number
  Index element = 0;        // the number's place in it, row-major
  double found = 0;         // the number itself; of a Dual with a finite value, the tangent
  bool is_first = true;     // everything that the op was given is finite: it began here

  bool backward() const { return kind == Kind::received || kind == Kind::passed; }

  /// `element` as a place along each axis.
  std::vector<Index> index() const;
};

/// One sentence: the direction, the op and its number, the number found and where, who is to blame.
std::string to_string(const Anomaly& anomaly);

/// What AnomalyDetector throws. The text is `place`, such as "step 3: ", and the anomaly's.
struct AnomalyError : GradError {
  explicit AnomalyError(Anomaly what_was_found, const std::string& place = "")
      : GradError(place + to_string(what_was_found)), anomaly(std::move(what_was_found)) {}
  Anomaly anomaly;
};

/// Checks the tapes that it observes, tape.observe(&detector) or trainer.observe: every op's value
/// after it is computed, every gradient before and after each vjp, and every constant, variable and
/// parameter that an op is given. Throws AnomalyError at the first number that is not finite; a
/// backward pass that is broken off leaves no gradients for a step.
template <Scalar T>
class AnomalyDetector final : public TapeObserver<T> {
 public:
  AnomalyDetector() = default;

  /// Calls these parameters by their names. They must outlive the detector.
  explicit AnomalyDetector(ParameterList<T> parameters) : parameters_(std::move(parameters)) {}

  void forward_ends(const Node<T>& node) override;
  void backward_begins(const Node<T>& node) override;
  void backward_ends(const Node<T>& node) override;

 private:
  void check_leaves(const Node<T>& node) const;
  std::string describe_operand(const Node<T>& operand) const;

  ParameterList<T> parameters_;
};

}  // namespace tapegrad
