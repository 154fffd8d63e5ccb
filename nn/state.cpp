#include "nn/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tensor/error.h"
#include "tensor/safetensors.h"

namespace tapegrad::nn {

template <Scalar T>
void save_parameters(const std::filesystem::path& path, const ParameterList<T>& parameters,
                     const std::map<std::string, std::string>& metadata) {
  Safetensors file;
  file.metadata = metadata;
  for (const auto& p : parameters) file.add<T>(p.name, p.parameter->value());
  write_safetensors(path, file);
}

template <Scalar T>
std::map<std::string, std::string> load_parameters(const std::filesystem::path& path,
                                                   const ParameterList<T>& parameters) {
  const Safetensors file = read_safetensors(path);
  std::vector<Tensor<T>> values;
  for (const auto& p : parameters) {
    const auto stored = file.tensors.find(p.name);
    if (stored == file.tensors.end()) {
      throw FormatError(fmt::format("{}: parameter `{}` {} is not in the file", path.string(),
                                    p.name, to_string(p.parameter->shape())));
    }
    if (stored->second.shape != p.parameter->shape()) {
      throw FormatError(fmt::format("{}: parameter `{}` is {} in the file but {} in the model",
                                    path.string(), p.name, to_string(stored->second.shape),
                                    to_string(p.parameter->shape())));
    }
    values.push_back(stored->second.template as<T>());
  }
  for (const auto& [name, stored] : file.tensors) {
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&wanted = name](const auto& p) { return p.name == wanted; });
    if (!known) {
      throw FormatError(fmt::format("{}: `{}` {} is in the file but not in the model",
                                    path.string(), name, to_string(stored.shape)));
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::copy(values[i].begin(), values[i].end(), parameters[i].parameter->write().begin());
  }
  return file.metadata;
}

template void save_parameters(const std::filesystem::path&, const ParameterList<float>&,
                              const std::map<std::string, std::string>&);
template void save_parameters(const std::filesystem::path&, const ParameterList<double>&,
                              const std::map<std::string, std::string>&);
template std::map<std::string, std::string> load_parameters(const std::filesystem::path&,
                                                            const ParameterList<float>&);
template std::map<std::string, std::string> load_parameters(const std::filesystem::path&,
                                                            const ParameterList<double>&);

}  // namespace tapegrad::nn
