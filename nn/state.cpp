#include "nn/state.h"

namespace tapegrad::nn {

template <Real T>
void save_parameters(const std::filesystem::path& path, const ParameterList<T>& parameters) {
  Safetensors file;
  store_parameters(file, parameters);
  write_safetensors(path, file);
}

template <Real T>
void load_parameters(const std::filesystem::path& path, const ParameterList<T>& parameters) {
  restore_parameters(read_safetensors(path), path.string(), parameters);
}

template void save_parameters(const std::filesystem::path&, const ParameterList<float>&);
template void save_parameters(const std::filesystem::path&, const ParameterList<double>&);
template void load_parameters(const std::filesystem::path&, const ParameterList<float>&);
template void load_parameters(const std::filesystem::path&, const ParameterList<double>&);

}  // namespace tapegrad::nn
