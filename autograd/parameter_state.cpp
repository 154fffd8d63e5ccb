#include "autograd/parameter_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tensor/error.h"

namespace tapegrad {
namespace {

template <Real T>
void require_match(const Safetensors& file, const std::string& name,
                   const ParameterList<T>& parameters) {
  for (const auto& p : parameters) {
    const auto stored = file.tensors.find(p.name);
    const std::string shape = to_string(p.parameter->shape());
    if (stored == file.tensors.end()) {
      std::vector<std::string_view> names;
      for (const auto& entry : file.tensors) names.push_back(entry.first);
      throw FormatError(
          fmt::format("{}: parameter `{}` {} is not in the file, which has: {}", name, p.name,
                      shape, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    const std::string& type = stored->second.dtype;
    if (type != "F32" && type != "F64") {
      throw FormatError(fmt::format("{}: parameter `{}` is stored as {}, but must be F32 or F64",
                                    name, p.name, type));
    }
    if (stored->second.shape != p.parameter->shape()) {
      throw FormatError(fmt::format("{}: parameter `{}` is {} in the file but {} in the model",
                                    name, p.name, to_string(stored->second.shape), shape));
    }
  }
  for (const auto& [stored, tensor] : file.tensors) {
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&wanted = stored](const auto& p) { return p.name == wanted; });
    if (!known) {
      throw FormatError(fmt::format("{}: `{}` {} is in the file but not in the model", name, stored,
                                    to_string(tensor.shape)));
    }
  }
}

}  // namespace

template <Real T>
void store_parameters(Safetensors& file, const ParameterList<T>& parameters) {
  for (const auto& p : parameters) file.add<T>(p.name, p.parameter->value());
}

template <Real T>
void restore_parameters(const Safetensors& file, const std::string& name,
                        const ParameterList<T>& parameters) {
  require_match(file, name, parameters);
  std::vector<Tensor<T>> values;
  for (const auto& p : parameters) values.push_back(file.at(p.name).template as<T>());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::copy(values[i].begin(), values[i].end(), parameters[i].parameter->write().begin());
  }
}

template void store_parameters(Safetensors&, const ParameterList<float>&);
template void store_parameters(Safetensors&, const ParameterList<double>&);
template void restore_parameters(const Safetensors&, const std::string&,
                                 const ParameterList<float>&);
template void restore_parameters(const Safetensors&, const std::string&,
                                 const ParameterList<double>&);

}  // namespace tapegrad
