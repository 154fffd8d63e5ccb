// The scalar types that tensors, kernels and ops are instantiated for.
#pragma once

#include <concepts>
#include <cstdint>

#include "tensor/dual.h"

namespace tapegrad {

/// Sizes, indices and counts: signed, so that differences and loops downwards are safe.
using Index = std::int64_t;

/// Plain numbers: float to train in, double to check in.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

/// What every op runs in: plain numbers, and Dual for exact derivatives of the same code.
template <class T>
concept Scalar = Real<T> || std::same_as<T, Dual>;

/// A count as a number of type T.
template <Scalar T>
constexpr T number(Index n) {
  return static_cast<T>(static_cast<double>(n));
}

}  // namespace tapegrad
