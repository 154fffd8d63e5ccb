// A model at a glance.
#pragma once

#include <string>

#include "nn/module.h"

namespace tapegrad::nn {

/// A table of what the model does to an input of the given shape, a line per op: its name, its
/// value's shape, its parameters and how many numbers they hold. Parameters that no op reads
/// follow, such as running statistics, and the shapes of those that ops read but collect leaves
/// out. The model is run once, on zeros, and left as it was.
template <Real T>
std::string summary(Module<T>& model, const Shape& input);

}  // namespace tapegrad::nn
