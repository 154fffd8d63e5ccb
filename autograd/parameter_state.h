// Parameters to and from a file's tensors.
#pragma once

#include <string>

#include "autograd/parameter_list.h"
#include "tensor/safetensors.h"

namespace tapegrad {

/// Adds every parameter to a file's tensors, under its name.
template <Real T>
void store_parameters(Safetensors& file, const ParameterList<T>& parameters);

/// Sets every parameter from a file's tensors; float and double convert into each other. `name` is
/// what errors call the file. Throws FormatError when a parameter is missing, left over or of
/// another shape, naming it and both shapes; nothing is changed then.
template <Real T>
void restore_parameters(const Safetensors& file, const std::string& name,
                        const ParameterList<T>& parameters);

}  // namespace tapegrad
