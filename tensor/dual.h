// Numbers that carry one derivative along.
#pragma once

#include <math.h>

namespace tapegrad {

/// A value and its derivative in one direction: x + e t with e^2 = 0. Arithmetic follows the rules
/// of calculus, so code that computes f in Dual computes f(x) and f'(x) t, exactly but for
/// rounding: forward-mode differentiation. Comparisons look at the value alone.
struct Dual {
  Dual() = default;
  constexpr Dual(double x) : value(x) {}  // NOLINT: a constant is a Dual whose tangent is 0
  constexpr Dual(double x, double t) : value(x), tangent(t) {}

  constexpr explicit operator double() const { return value; }
  constexpr explicit operator float() const { return static_cast<float>(value); }

  constexpr Dual& operator+=(Dual b) { return *this = *this + b; }
  constexpr Dual& operator-=(Dual b) { return *this = *this - b; }
  constexpr Dual& operator*=(Dual b) { return *this = *this * b; }
  constexpr Dual& operator/=(Dual b) { return *this = *this / b; }

  friend constexpr Dual operator-(Dual a) { return {-a.value, -a.tangent}; }
  friend constexpr Dual operator+(Dual a, Dual b) {
    return {a.value + b.value, a.tangent + b.tangent};
  }
  friend constexpr Dual operator-(Dual a, Dual b) {
    return {a.value - b.value, a.tangent - b.tangent};
  }
  friend constexpr Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
  }
  friend constexpr Dual operator/(Dual a, Dual b) {
    const double y = a.value / b.value;
    return {y, (a.tangent - y * b.tangent) / b.value};
  }

  friend constexpr bool operator==(Dual a, Dual b) { return a.value == b.value; }
  friend constexpr bool operator!=(Dual a, Dual b) { return a.value != b.value; }
  friend constexpr bool operator<(Dual a, Dual b) { return a.value < b.value; }
  friend constexpr bool operator>(Dual a, Dual b) { return a.value > b.value; }
  friend constexpr bool operator<=(Dual a, Dual b) { return a.value <= b.value; }
  friend constexpr bool operator>=(Dual a, Dual b) { return a.value >= b.value; }

  // Found where code for any scalar type says `using std::exp;` and calls exp(x). A constant, whose
  // tangent is 0, stays one where the slope is infinite, as at log 0.
  friend Dual exp(Dual x) {
    const double y = ::exp(x.value);
    return {y, along(x, y)};
  }
  friend Dual log(Dual x) { return {::log(x.value), x.tangent == 0 ? 0 : x.tangent / x.value}; }
  friend Dual sqrt(Dual x) {
    const double y = ::sqrt(x.value);
    return {y, x.tangent == 0 ? 0 : x.tangent / (2 * y)};
  }
  friend Dual pow(Dual x, double k) {
    return {::pow(x.value, k), k == 0 ? 0 : along(x, k * ::pow(x.value, k - 1))};
  }
  friend Dual sin(Dual x) { return {::sin(x.value), x.tangent * ::cos(x.value)}; }
  friend Dual cos(Dual x) { return {::cos(x.value), -x.tangent * ::sin(x.value)}; }
  friend Dual tanh(Dual x) {
    const double y = ::tanh(x.value);
    return {y, x.tangent * (1 - y * y)};
  }
  friend Dual abs(Dual x) { return x.value < 0 ? -x : x; }

  double value = 0;
  double tangent = 0;

 private:
  static double along(Dual x, double slope) { return x.tangent == 0 ? 0 : x.tangent * slope; }
};

}  // namespace tapegrad
