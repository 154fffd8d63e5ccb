#include "autograd/cost_gradients.h"

namespace tapegrad {

template <Scalar T>
std::vector<Tensor<T>> gradients_of(const ParameterList<T>& parameters, const Cost<T>& cost,
                                    const std::function<void(Tape<T>&)>& look) {
  {
    Tape<T> tape;
    const Var<T> recorded = cost(tape);
    // Also what the cost left, if it ran backward passes of its own.
    for (const auto& p : parameters) p.parameter->consume_gradient();
    tape.backward(recorded);
    if (look) look(tape);
  }
  std::vector<Tensor<T>> gradients;
  for (const auto& p : parameters) {
    const bool recorded = p.parameter->has_new_gradient();
    gradients.push_back(recorded ? Tensor<T>(p.parameter->gradient())
                                 : Tensor<T>(p.parameter->shape()));
    p.parameter->consume_gradient();
  }
  return gradients;
}

template std::vector<Tensor<float>> gradients_of(const ParameterList<float>&, const Cost<float>&,
                                                 const std::function<void(Tape<float>&)>&);
template std::vector<Tensor<double>> gradients_of(const ParameterList<double>&, const Cost<double>&,
                                                  const std::function<void(Tape<double>&)>&);
template std::vector<Tensor<Dual>> gradients_of(const ParameterList<Dual>&, const Cost<Dual>&,
                                                const std::function<void(Tape<Dual>&)>&);

}  // namespace tapegrad
