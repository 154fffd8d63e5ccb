// Shapes and tensors as text: to_string, and fmt's "{}".
#pragma once

#include <fmt/format.h>

#include <string>

#include "tensor/tensor.h"

namespace tapegrad {

/// The numbers as NumPy's str() prints an array: nested brackets, columns of equal width, at most 8
/// digits after the point, lines of at most 75 characters, and from 1001 elements on only the first
/// and last three along each axis. "[]" without elements, the bare number for rank 0.
std::string to_string(View<const float> x);
std::string to_string(View<const double> x);
std::string to_string(View<const std::int32_t> x);

/// Makes "{}", with fmt's width and alignment for strings, print what to_string returns.
struct TextFormatter : fmt::formatter<fmt::string_view> {
  template <class T>
  auto format(const T& x, fmt::format_context& context) const {
    return fmt::formatter<fmt::string_view>::format(to_string(x), context);
  }
};

}  // namespace tapegrad

// One by one: a template over the scalar type would be ambiguous beside fmt/ranges.h.
template <>
struct fmt::formatter<tapegrad::Shape> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::Tensor<float>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::Tensor<double>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::View<float>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::View<double>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::View<std::int32_t>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::View<const float>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::View<const double>> : tapegrad::TextFormatter {};
template <>
struct fmt::formatter<tapegrad::View<const std::int32_t>> : tapegrad::TextFormatter {};
