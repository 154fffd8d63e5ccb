// How weights start.
#pragma once

#include <functional>

#include "tensor/scalar.h"

namespace tapegrad::nn {

/// Weights are drawn from N(0, std^2); an Init gives std for a layer with `in` inputs and `out`
/// outputs.
using Init = std::function<double(Index in, Index out)>;

/// std = the given number.
Init normal(double std);

/// std = sqrt(1 / in): keeps the variance of linear layers (LeCun et al. 1998).
Init lecun();

/// std = sqrt(2 / in): keeps the variance in front of ReLU (He et al. 2015).
Init he();

/// std = sqrt(2 / (in + out)): keeps it forward and backward (Glorot & Bengio 2010).
Init xavier();

}  // namespace tapegrad::nn
