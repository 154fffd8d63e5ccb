// Reference values: where they are, and when a computed tensor agrees with one.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "tensor/safetensors.h"

namespace tapegrad::golden {

/// The folder that an environment variable names; empty when it is not set.
inline std::filesystem::path folder_from(const char* variable) {
  const char* given = std::getenv(variable);
  return given != nullptr ? given : "";
}

/// Reference values that are too large for the repository.
inline std::filesystem::path folder() { return folder_from("TAPEGRAD_GOLDEN_DIR"); }

/// The project's own small files.
inline std::filesystem::path own_file(const char* name) {
  return std::filesystem::path(TAPEGRAD_SOURCE_DIR) / "tests" / "golden" / name;
}

/// What to say when such a file is not there.
inline std::string not_found(const std::string& file) {
  return fmt::format(
      "no {} in $TAPEGRAD_GOLDEN_DIR ('{}'): only the project's own small files are checked", file,
      folder().string());
}

/// max |a - b| / max |b| (over 1 when b is all zeros); NaN when any element of either is NaN, and
/// infinity when the counts differ.
template <Scalar T>
double relative_error(View<const T> a, View<const double> b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0;
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - b[i]);
    if (std::isnan(d)) return d;
    difference = std::max(difference, d);
    largest = std::max(largest, std::abs(b[i]));
  }
  return difference / (largest > 0 ? largest : 1);
}

/// The same for two numbers.
inline double relative_error(double a, double b) {
  return std::abs(a - b) / (b != 0 ? std::abs(b) : 1);
}

/// Whether a computed tensor agrees with a stored one. The files store rank 0 as [1].
template <Scalar T>
bool agrees(View<const T> computed, const StoredTensor& expected, double tolerance) {
  const bool same_shape = computed.shape() == expected.shape ||
                          (computed.shape().rank() == 0 && expected.shape == Shape{1});
  const Tensor<double> numbers = expected.as<double>();
  return same_shape && relative_error<T>(computed, numbers) <= tolerance;
}

}  // namespace tapegrad::golden
