// Parameters to and from files.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "autograd/parameter_list.h"

namespace tapegrad::nn {

/// Writes every parameter under its name as safetensors, all or nothing, with `metadata` beside
/// them. Throws FileError.
template <Scalar T>
void save_parameters(const std::filesystem::path& path, const ParameterList<T>& parameters,
                     const std::map<std::string, std::string>& metadata = {});

/// Reads what save_parameters wrote (float and double convert into each other) and returns the
/// metadata. Throws FormatError when a parameter is missing, left over or of another shape, naming
/// it and both shapes; nothing is changed then.
template <Scalar T>
std::map<std::string, std::string> load_parameters(const std::filesystem::path& path,
                                                   const ParameterList<T>& parameters);

}  // namespace tapegrad::nn
