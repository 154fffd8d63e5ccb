// Gradients that need not be written: an optimizer can move a weight as the product that is its
// gradient is computed, a few numbers at a time.
#pragma once

#include <vector>

#include "autograd/parameter.h"

namespace tapegrad {

/// The factors a and b of a gradient a^T b: a [k, rows], b [k, columns].
template <Scalar T>
struct Factors {
  View<const T> a;
  View<const T> b;
};

/// Parameters whose gradients backward may leave as factors; for an optimizer that lists what it
/// moves and uses the factors up before their tape ends.
template <Scalar T>
class FactoredGradients {
 public:
  void list(Parameter<T>& parameter) { all_.push_back({&parameter, {}}); }

  /// The factors of the i-th listed parameter's gradient; null when that is written as usual.
  const Factors<T>* at(std::size_t i) const {
    const Entry& entry = all_[i];
    return entry.parameter->factored_ && entry.there() ? &entry.factors : nullptr;
  }

  /// Whether the gradient is kept as factors from now on: when the parameter is listed and not
  /// frozen, there is a loop that moves it along the product (kernels::can_descend_along), and
  /// neither factor is among the values that are listed, which may be moved before.
  bool keep(Parameter<T>& parameter, const Factors<T>& factors);

  /// Writes the gradient of a parameter that has factors, which it then has no longer.
  void write(Parameter<T>& parameter);

  /// Forgets the factors.
  void forget();

 private:
  struct Entry {
    Parameter<T>* parameter;
    Factors<T> factors;

    bool there() const { return factors.a.data() != nullptr; }
  };

  Entry* find(const Parameter<T>& parameter);

  std::vector<Entry> all_;
};

}  // namespace tapegrad
