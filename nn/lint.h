// Networks that compute but hardly learn: each finding is a sentence for people.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"

namespace tapegrad::nn {

/// Units that let no gradient through, whatever they are shown: of relu, those that are 0 for every
/// example in x (dead); of sigmoid and tanh, those within 0.01 of a limit for at least 99 in 100
/// examples (saturated). A unit is a column of a matrix [examples, units] or a channel of images.
/// Runs the model once on x, in the mode that it is in; fewer than 100 examples show nothing.
template <Real T>
std::vector<std::string> lint_units(Module<T>& model, View<const T> x);

}  // namespace tapegrad::nn
