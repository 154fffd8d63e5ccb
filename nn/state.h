// Parameters to and from files.
#pragma once

#include <filesystem>

#include "autograd/parameter_state.h"

namespace tapegrad::nn {

using tapegrad::restore_parameters;
using tapegrad::store_parameters;

/// Writes the parameters as safetensors, all or nothing. Throws FileError.
template <Real T>
void save_parameters(const std::filesystem::path& path, const ParameterList<T>& parameters);

/// Reads what save_parameters wrote. Throws as restore_parameters does, and FileError.
template <Real T>
void load_parameters(const std::filesystem::path& path, const ParameterList<T>& parameters);

}  // namespace tapegrad::nn
