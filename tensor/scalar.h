// The scalar types that every tensor, kernel and op is instantiated for.
#pragma once

#include <concepts>
#include <cstdint>

namespace tapegrad {

/// Sizes, indices and counts: signed, so that differences and loops downwards are safe.
using Index = std::int64_t;

/// float to train in, double to check in.
template <class T>
concept Scalar = std::same_as<T, float> || std::same_as<T, double>;

}  // namespace tapegrad
