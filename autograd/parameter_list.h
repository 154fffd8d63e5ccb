// The parameters of a model, by name.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/parameter.h"
#include "tensor/random.h"

namespace tapegrad {

/// A parameter and what its model calls it: "fc1.weight".
template <Scalar T>
struct NamedParameter {
  std::string name;
  Parameter<T>* parameter;
};

/// A random generator that a model draws from, and what the model calls it: "1.rng".
struct NamedGenerator {
  std::string name;
  Rng* rng;
};

/// The parameters of a model in the order of its layers, and the generators it draws from.
/// Borrowed: the model must outlive the list.
template <Scalar T>
class ParameterList {
 public:
  /// Adds a parameter. One that is listed already (tied weights) keeps its first name and place.
  /// Throws FormatError when another parameter has the same name.
  ParameterList& add(const std::string& name, Parameter<T>& parameter);

  /// Adds a generator, whose state belongs to a checkpoint. The rules for names are the same.
  ParameterList& add(const std::string& name, Rng& rng);

  /// Adds everything that `module.collect(list)` adds, as "name.<its name>".
  template <class Module>
  requires requires(Module& m, ParameterList& list) { m.collect(list); }
  ParameterList& add(const std::string& name, Module& module) {
    ParameterList inner;
    module.collect(inner);
    for (const auto& p : inner) add(name + "." + p.name, *p.parameter);
    for (const auto& g : inner.generators()) add(name + "." + g.name, *g.rng);
    if constexpr (requires { module.set_training(true); }) {
      modules_.push_back([&module](bool on) { module.set_training(on); });
    } else {
      modules_.insert(modules_.end(), inner.modules_.begin(), inner.modules_.end());
    }
    return *this;
  }

  /// Switches the modules that were added, and those in them, between training and evaluation.
  void set_training(bool on) const {
    for (const auto& switch_to : modules_) switch_to(on);
  }

  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::size_t size() const { return all_.size(); }
  const NamedParameter<T>& operator[](std::size_t i) const { return all_[i]; }

  const std::vector<NamedGenerator>& generators() const& { return generators_; }
  std::vector<NamedGenerator> generators() && { return std::move(generators_); }

  /// The parameter of that name. Throws FormatError listing the names there are.
  Parameter<T>& at(const std::string& name) const;

  /// How many numbers the parameters hold together.
  Index count() const;

  /// Those that are not frozen now, no generators and no modules: what gradients move. What is
  /// saved or put back is the whole list.
  ParameterList trainable() const;

  /// Freezes or unfreezes every parameter but statistics, which stay frozen.
  void freeze(bool frozen = true) const {
    for (const auto& p : all_) p.parameter->freeze(frozen);
  }

 private:
  std::vector<NamedParameter<T>> all_;
  std::vector<NamedGenerator> generators_;
  std::vector<std::function<void(bool)>> modules_;  // their set_training
};

/// Copies values between two lists of the same names and shapes, from float or double to any scalar
/// type. Throws FormatError naming the parameter (and both shapes) that does not match; nothing is
/// copied then.
template <Scalar From, Scalar To>
void copy_values(const ParameterList<From>& from, const ParameterList<To>& to);

}  // namespace tapegrad
