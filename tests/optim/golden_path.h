// The weights after every step of a small training, by an optimizer, by a formula written out and
// by PyTorch.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "optim/optimizer.h"
#include "tests/golden.h"

namespace tapegrad::test {

using Long = long double;

/// What a formula sees of one weight: the gradient without decay, the weight before the step, and
/// t = 1, 2, ... counting the weight's own updates.
struct Update {
  Long g, w, lr, decay;
  int t;
};

/// Up to three remembered numbers of one weight.
struct Memory {
  Long a = 0, b = 0, c = 0;
};

/// The training that tests/golden/make_golden.py describes in make_optimizers.
class GoldenPath {
 public:
  GoldenPath()
      : file_(read_safetensors(golden::own_file("golden_optimizers.safetensors"))),
        lr_(numbers("lr")),
        start_(numbers("start")),
        curvature_(numbers("curvature")),
        target_(numbers("target")) {}

  /// The weights [steps, 12] that an optimizer of type O makes.
  template <class O, class Options>
  Tensor<double> trained(Options options, double decay) const {
    Parameter<double> first(Tensor<double>({2, 4}, start_.span().first(8)));
    Parameter<double> second(Tensor<double>({4}, start_.span().last(4)));
    ParameterList<double> one;
    one.add("first", first);
    ParameterList<double> other;
    other.add("second", second);
    O optimizer(
        {{one, decay, 1}, {other, decay / 2, 0.5}}, [&](Index t) { return lr_[t]; }, options);
    Tensor<double> path(target_.shape());
    for (Index t = 0; t < steps(); ++t) {
      Tape<double> tape;
      Var<double> loss = part(tape, first, t, 0);
      if (has_second(t)) loss = loss + part(tape, second, t, 8);
      tape.backward(loss);
      optimizer.step();
      for (Index i = 0; i < 12; ++i) path(t, i) = i < 8 ? first.value()[i] : second.value()[i - 8];
    }
    return path;
  }

  /// The same by a formula, which returns the weight after an update, in long double.
  template <class Formula>
  Tensor<double> by_hand(Formula formula, double decay, Memory memory = {}) const {
    std::vector<Memory> memories(12, memory);
    std::vector<int> updates(12);
    std::vector<Long> w(start_.begin(), start_.end());
    Tensor<double> path(target_.shape());
    for (Index t = 0; t < steps(); ++t) {
      for (std::size_t i = 0; i < 12; ++i) {
        const auto n = static_cast<Index>(i);
        const Long share = i < 8 ? 1 : 0.5L;
        if (i < 8 || has_second(t)) {
          const Long g = curvature_[n] * (w[i] - target_(t, n));
          w[i] = formula(memories[i], Update{g, w[i], share * lr_[t], share * decay, ++updates[i]});
        }
        path(t, n) = static_cast<double>(w[i]);
      }
    }
    return path;
  }

  /// The greatest difference from PyTorch's path, relative to the greatest weight.
  double error(const Tensor<double>& path, const std::string& variant) const {
    return golden::relative_error<double>(path, numbers(variant));
  }

 private:
  Tensor<double> numbers(const std::string& name) const { return file_.at(name).as<double>(); }
  Index steps() const { return lr_.size(); }
  static bool has_second(Index step) { return step % 3 != 2; }

  Var<double> part(Tape<double>& tape, Parameter<double>& p, Index step, Index from) const {
    const View<const double> target(target_.data() + step * 12 + from, p.shape());
    const View<const double> curvature(curvature_.data() + from, p.shape());
    return sum(tape.constant(curvature) * square(tape.parameter(p) - tape.constant(target))) / 2;
  }

  Safetensors file_;
  Tensor<double> lr_, start_, curvature_, target_;
};

/// The value of one weight, at first 2, after so many steps along a constant gradient.
template <class O, class T, class Options>
T after_steps(int steps, T gradient, double lr, Options options, double decay = 0) {
  Parameter<T> p(Tensor<T>({1}, 2));
  ParameterList<T> all;
  all.add("p", p);
  O optimizer({{all, decay}}, optim::Constant{lr}, options);
  for (int i = 0; i < steps; ++i) {
    Tape<T> tape;
    tape.backward(sum(scale(tape.parameter(p), gradient)));
    optimizer.step();
  }
  return p.value()[0];
}

/// The paths agree to this; a planted fault must miss by more than the second.
inline constexpr double path_tolerance = 1e-13;
inline constexpr double fault_size = 1e-9;

}  // namespace tapegrad::test
