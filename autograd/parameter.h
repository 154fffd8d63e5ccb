// Numbers that are trained.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace tapegrad {

template <Scalar T>
class Tape;
template <Scalar T>
class FactoredGradients;
class VjpAudit;

/// What moves a parameter: gradients, or its module, as a running mean.
enum class Role : std::uint8_t { trained, statistic };

/// A tensor that outlives tapes, with the gradient of the last backward pass. It never moves, so
/// modules own parameters by value and optimizers point at them.
template <Scalar T>
class Parameter {
 public:
  explicit Parameter(Tensor<T> value, Role role = Role::trained)
      : value_(std::move(value)), role_(role), frozen_(role == Role::statistic) {}
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  const Shape& shape() const { return value_.shape(); }
  Index size() const { return value_.size(); }
  View<const T> value() const { return value_; }

  /// The one way to change the values. Every call counts as a change: a tape that recorded the old
  /// values refuses to run backward over them.
  View<T> write() {
    ++version_;
    return value_;
  }

  /// d loss / d value of the last backward pass. Throws GradError when there has been none, when
  /// that did not come to its end, or when it was not written, see Optimizer::minimize.
  View<const T> gradient() const;

  /// Whether there was a backward pass since the gradient was last consumed.
  bool has_new_gradient() const { return has_new_gradient_; }

  /// Marks the gradient as used up, which every optimizer's step does.
  void consume_gradient() { has_new_gradient_ = false; }

  /// A frozen parameter is a constant on the tapes that record it from now on. A statistic is
  /// always frozen.
  void freeze(bool frozen = true) { frozen_ = frozen || role_ == Role::statistic; }
  bool frozen() const { return frozen_; }
  Role role() const { return role_; }

 private:
  friend class Tape<T>;
  friend class FactoredGradients<T>;
  friend class VjpAudit;

  Tensor<T> value_;
  Tensor<T> gradient_;  // allocated when a tape first records the parameter
  std::uint64_t version_ = 0;
  bool touched_ = false;       // during a backward pass: this pass has made a part of the gradient
  bool has_gradient_ = false;  // the last pass came to its end
  bool has_new_gradient_ = false;  // and no step has consumed it
  bool factored_ = false;          // the last pass left the gradient as factors; gradient_ is older
  Role role_;
  bool frozen_;
};

}  // namespace tapegrad
