// Parameters and generators as they were.
#pragma once

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "autograd/parameter_list.h"

namespace tapegrad {

/// Copies of parameters' values, to be written back. The parameters must outlive it.
template <Scalar T>
class ParameterValues {
 public:
  ParameterValues() = default;

  /// The values of all parameters in the list, now.
  explicit ParameterValues(const ParameterList<T>& parameters) {
    for (const auto& p : parameters) add(*p.parameter);
  }

  /// Also keeps this parameter's value, as it is now.
  void add(Parameter<T>& parameter) {
    kept_.emplace_back(&parameter, Tensor<T>(parameter.value()));
  }

  /// The parameters and their values, in the order they were added.
  auto begin() const { return kept_.begin(); }
  auto end() const { return kept_.end(); }
  std::size_t size() const { return kept_.size(); }

  /// Replaces the i-th value by another of its shape.
  void set(std::size_t i, Tensor<T> value) {
    assert(value.shape() == kept_[i].second.shape());
    kept_[i].second = std::move(value);
  }

  /// Writes the values back.
  void restore() const {
    for (const auto& [parameter, value] : kept_) {
      std::copy(value.begin(), value.end(), parameter->write().begin());
    }
  }

 private:
  std::vector<std::pair<Parameter<T>*, Tensor<T>>> kept_;
};

/// Restores the values at the end of its scope, also when something throws.
template <Scalar T>
class RestoreAtExit {
 public:
  explicit RestoreAtExit(ParameterValues<T> values) : values_(std::move(values)) {}
  ~RestoreAtExit() { values_.restore(); }
  RestoreAtExit(const RestoreAtExit&) = delete;
  RestoreAtExit& operator=(const RestoreAtExit&) = delete;

 private:
  ParameterValues<T> values_;
};

/// Puts a model's generators back at the end of its scope: a look at a model must not change what
/// it draws next.
template <Scalar T>
class RestoreGenerators {
 public:
  explicit RestoreGenerators(const ParameterList<T>& list) : generators_(list.generators()) {
    for (const NamedGenerator& g : generators_) states_.push_back(*g.rng);
  }
  ~RestoreGenerators() {
    for (std::size_t i = 0; i < states_.size(); ++i) *generators_[i].rng = states_[i];
  }
  RestoreGenerators(const RestoreGenerators&) = delete;
  RestoreGenerators& operator=(const RestoreGenerators&) = delete;

 private:
  std::vector<NamedGenerator> generators_;
  std::vector<Rng> states_;
};

}  // namespace tapegrad
