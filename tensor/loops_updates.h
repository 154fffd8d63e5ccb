// Private to tensor/loops.cpp: the steps of the optimizers. Internal to the instruction set's
// namespace, as loops_functions.h is.
#pragma once

#include "tensor/loops.h"
#include "tensor/loops_functions.h"

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

template <class T>
inline T descent_direction(const UpdateRule<T>& rule, T g, T w) {
  g *= rule.gradient_scale;
  g = g > rule.clip ? rule.clip : (g < -rule.clip ? -rule.clip : g);
  return g + rule.weight_decay * w;
}

template <class T>
void descend(Index n, const UpdateRule<T>& shared_rule, const T* g, T* __restrict w) {
  const UpdateRule<T> rule = shared_rule;
  for (Index i = 0; i < n; ++i) w[i] -= rule.lr * descent_direction(rule, g[i], w[i]);
}

template <class T>
void descend_with_momentum(Index n, const UpdateRule<T>& shared_rule, const T* g,
                           T* __restrict velocity, T* __restrict w) {
  const UpdateRule<T> rule = shared_rule;
  for (Index i = 0; i < n; ++i) {
    const T direction = descent_direction(rule, g[i], w[i]);
    velocity[i] = rule.momentum * velocity[i] + direction;
    w[i] -= rule.lr * (rule.nesterov ? direction + rule.momentum * velocity[i] : velocity[i]);
  }
}

template <class T>
void adam(Index n, const UpdateRule<T>& shared_rule, const AdamRule<T>& shared_adam, const T* g,
          T* __restrict mean, T* __restrict square, T* __restrict w) {
  const UpdateRule<T> rule = shared_rule;
  const AdamRule<T> a = shared_adam;
  for (Index i = 0; i < n; ++i) {
    const T direction = descent_direction(rule, g[i], w[i]);
    mean[i] = a.beta1 * mean[i] + a.gain1 * direction;
    square[i] = a.beta2 * square[i] + a.gain2 * direction * direction;
    const T root = square_root(square[i]) / a.root_correction;
    w[i] = a.shrink * w[i] - a.step_size * mean[i] / (root + a.epsilon);
  }
}

template <class T>
void adagrad(Index n, const UpdateRule<T>& shared_rule, T epsilon, const T* g, T* __restrict sum,
             T* __restrict w) {
  const UpdateRule<T> rule = shared_rule;
  for (Index i = 0; i < n; ++i) {
    const T direction = descent_direction(rule, g[i], w[i]);
    sum[i] += direction * direction;
    w[i] -= rule.lr * direction / (square_root(sum[i]) + epsilon);
  }
}

// A copy for each combination, because a branch that stores would keep the loop from vectorising.
template <bool centered, bool with_momentum, class T>
void rmsprop_of_kind(Index n, const UpdateRule<T>& shared_rule, const RmsPropRule<T>& shared_rms,
                     const T* g, T* __restrict square, T* __restrict mean, T* __restrict velocity,
                     T* __restrict w) {
  const UpdateRule<T> rule = shared_rule;
  const RmsPropRule<T> rms = shared_rms;
  for (Index i = 0; i < n; ++i) {
    const T direction = descent_direction(rule, g[i], w[i]);
    square[i] = rms.alpha * square[i] + rms.gain * direction * direction;
    T variance = square[i];
    if constexpr (centered) {
      mean[i] = rms.alpha * mean[i] + rms.gain * direction;
      variance -= mean[i] * mean[i];
      variance = variance < T(0) ? T(0) : variance;  // by rounding only; NaN stays NaN
    }
    const T scale = square_root(variance) + rms.epsilon;
    if constexpr (with_momentum) {
      velocity[i] = rule.momentum * velocity[i] + direction / scale;
      w[i] -= rule.lr * velocity[i];
    } else {
      w[i] -= rule.lr * direction / scale;
    }
  }
}

template <class T>
void rmsprop(Index n, const UpdateRule<T>& rule, const RmsPropRule<T>& rms, const T* g, T* square,
             T* mean, T* velocity, T* w) {
  const auto kind =
      mean != nullptr
          ? (velocity != nullptr ? rmsprop_of_kind<true, true, T> : rmsprop_of_kind<true, false, T>)
          : (velocity != nullptr ? rmsprop_of_kind<false, true, T>
                                 : rmsprop_of_kind<false, false, T>);
  kind(n, rule, rms, g, square, mean, velocity, w);
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
