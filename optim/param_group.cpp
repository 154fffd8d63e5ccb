#include "optim/param_group.h"

#include "autograd/ops.h"
#include "tensor/kernels.h"

namespace tapegrad::optim {

template <Real T>
ParamGroups<T> decay_matrices(const ParameterList<T>& parameters, double weight_decay) {
  ParamGroup<T> matrices{{}, weight_decay};
  ParamGroup<T> vectors;
  for (const auto& p : parameters) {
    (p.parameter->shape().rank() >= 2 ? matrices : vectors).parameters.add(p.name, *p.parameter);
  }
  return {matrices, vectors};
}

template <Real T>
double penalty(const ParamGroups<T>& groups) {
  double total = 0;
  for (const auto& group : groups) {
    if (group.weight_decay == 0) continue;
    for (const auto& p : group.parameters.trainable()) {
      const View<const T> w = p.parameter->value();
      total +=
          group.weight_decay / 2 * kernels::training_loops<T>().sum_squares(w.size(), w.data());
    }
  }
  return total;
}

template <Real T>
Var<T> penalty(Tape<T>& tape, const ParamGroups<T>& groups) {
  Var<T> total = tape.constant(T(0));
  for (const auto& group : groups) {
    if (group.weight_decay == 0) continue;
    for (const auto& p : group.parameters.trainable()) {
      total = total +
              sum(square(tape.parameter(*p.parameter))) * static_cast<T>(group.weight_decay / 2);
    }
  }
  return total;
}

template ParamGroups<float> decay_matrices(const ParameterList<float>&, double);
template ParamGroups<double> decay_matrices(const ParameterList<double>&, double);
template double penalty(const ParamGroups<float>&);
template double penalty(const ParamGroups<double>&);
template Var<float> penalty(Tape<float>&, const ParamGroups<float>&);
template Var<double> penalty(Tape<double>&, const ParamGroups<double>&);

}  // namespace tapegrad::optim
