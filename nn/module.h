// What every layer and model is.
#pragma once

#include "autograd/ops.h"
#include "autograd/parameter_list.h"

namespace tapegrad::nn {

/// A function of one value with parameters of its own. A model is a struct that derives from
/// Module, owns its layers by value, and says what it computes (forward) and what it is made of
/// (collect).
template <Scalar T>
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// The value for x, recorded on x's tape. Parameters are recorded by x.tape().parameter(p).
  virtual Var<T> forward(Var<T> x) = 0;

  /// Adds every parameter, sub-module and generator that forward draws from under its name:
  /// all.add("fc1", fc1).add("fc2", fc2). What it leaves out is not trained, saved or switched to
  /// evaluation; summary() says so of parameters.
  virtual void collect(ParameterList<T>& all) { static_cast<void>(all); }

  /// Switches between training (the start) and evaluation, where layers differ (BatchNorm,
  /// Dropout): every module that collect names.
  virtual void set_training(bool on) {
    ParameterList<T> all;
    collect(all);
    all.set_training(on);
  }

  Var<T> operator()(Var<T> x) { return forward(x); }

  /// The parameters of this module and all it is made of.
  ParameterList<T> parameters() {
    ParameterList<T> all;
    collect(all);
    return all;
  }
};

}  // namespace tapegrad::nn
