// A cost, and what it alone says of its parameters' gradients.
#pragma once

#include <functional>
#include <vector>

#include "autograd/parameter_list.h"
#include "autograd/tape.h"

namespace tapegrad {

/// Records a scalar function of parameters. It is called again and again and must be a pure
/// function of them: same batch, same random numbers. The tape outlives the call: tensors that the
/// function makes must too, or be handed to the tape as temporaries (std::move).
template <Scalar T>
using Cost = std::function<Var<T>(Tape<T>&)>;

/// Copies of the gradients that a backward pass of `cost` gives, in the list's order; zeros for a
/// parameter that it does not record, whatever an earlier pass has left there. Afterwards all are
/// consumed. `look` is shown the tape after the pass.
template <Scalar T>
std::vector<Tensor<T>> gradients_of(const ParameterList<T>& parameters, const Cost<T>& cost,
                                    const std::function<void(Tape<T>&)>& look = {});

}  // namespace tapegrad
