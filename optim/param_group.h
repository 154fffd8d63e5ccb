// Which parameters are trained together, and the penalty on them.
#pragma once

#include <vector>

#include "autograd/parameter_list.h"
#include "autograd/parameter_values.h"
#include "autograd/tape.h"

namespace tapegrad::optim {

/// Parameters with common settings. `weight_decay` adds weight_decay * w to the gradient of each:
/// the gradient of the penalty weight_decay / 2 * sum of w^2. A penalty lambda * sum of squares is
/// weight_decay = 2 * lambda.
template <Real T>
struct ParamGroup {
  ParameterList<T> parameters;
  double weight_decay = 0;
  double lr_scale = 1;  // multiplies the schedule's rate
};

template <Real T>
using ParamGroups = std::vector<ParamGroup<T>>;

/// The values of all parameters of all groups, now.
template <Real T>
ParameterValues<T> values_of(const ParamGroups<T>& groups) {
  ParameterValues<T> values;
  for (const auto& group : groups) {
    for (const auto& p : group.parameters) values.add(*p.parameter);
  }
  return values;
}

/// One group without decay.
template <Real T>
ParamGroups<T> one_group(const ParameterList<T>& parameters) {
  return {{parameters}};
}

/// Two groups: parameters of rank 2 and more with the given decay, vectors (biases) without.
template <Real T>
ParamGroups<T> decay_matrices(const ParameterList<T>& parameters, double weight_decay);

/// The penalty whose gradient the weight decay is: the sum over all groups of
/// weight_decay / 2 * sum of squares of the parameters that are not frozen. cost = loss + penalty.
template <Real T>
double penalty(const ParamGroups<T>& groups);

/// The same as a value on a tape, for checking the gradient of the whole cost.
template <Real T>
Var<T> penalty(Tape<T>& tape, const ParamGroups<T>& groups);

}  // namespace tapegrad::optim
