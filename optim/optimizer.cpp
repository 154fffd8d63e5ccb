#include "optim/optimizer.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>
#include <limits>
#include <set>

#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tapegrad::optim {
namespace {

template <Real T>
void require_rate(const char* what, double value) {
  if (value >= 0 && std::isfinite(static_cast<T>(value))) return;
  throw OptionError(fmt::format("{} is {}, but must be finite and at least 0", what, value));
}

template <Real T>
void require_valid(const ParamGroups<T>& groups, const Clip& clip) {
  std::set<const Parameter<T>*> seen;
  for (const auto& group : groups) {
    require_rate<T>("weight_decay", group.weight_decay);
    require_rate<T>("lr_scale", group.lr_scale);
    for (const auto& p : group.parameters) {
      if (!seen.insert(p.parameter).second) {
        throw OptionError(fmt::format("parameter `{}` is in two groups", p.name));
      }
    }
  }
  if (!(clip.norm >= 0) || !(clip.value >= 0)) {
    throw OptionError(fmt::format(
        "clip limits are {} (norm) and {} (value), but must be at least 0", clip.norm, clip.value));
  }
}

template <Real T>
void descend_along(const Factors<T>& factors, const kernels::UpdateRule<T>& rule, View<T> w) {
  if constexpr (std::same_as<T, float>) {
    kernels::descend_along(factors.a, factors.b, {rule.lr, rule.weight_decay}, w);
  } else {
    assert(false && "gradients of doubles are written");
  }
}

template <Real T>
void require_new_gradient(const ParamGroups<T>& groups, const char* op) {
  std::size_t count = 0;
  for (const auto& group : groups) {
    count += group.parameters.size();
    for (const auto& p : group.parameters) {
      if (p.parameter->has_new_gradient()) return;
    }
  }
  if (count == 0) {
    throw GradError(
        fmt::format("{}: the optimizer has no parameters: does collect list them?", op));
  }
  throw GradError(
      fmt::format("{}: no parameter has a new gradient; call tape.backward(loss) before each step, "
                  "with the parameters that this optimizer has",
                  op));
}

// Whatever happens, factors must not outlive minimize, for they are numbers on a tape, and
// gradients without them would be parts of one.
template <Real T>
struct UseUp {
  const ParamGroups<T>& groups;
  FactoredGradients<T>& factored;

  ~UseUp() {
    factored.forget();
    for (const auto& group : groups) {
      for (const auto& p : group.parameters) p.parameter->consume_gradient();
    }
  }
};

}  // namespace

template <Real T>
double gradient_norm(const ParamGroups<T>& groups) {
  require_new_gradient(groups, "gradient_norm");
  double sum = 0;
  for (const auto& group : groups) {
    for (const auto& p : group.parameters) {
      if (!p.parameter->has_new_gradient()) continue;
      const View<const T> g = p.parameter->gradient();
      sum += kernels::training_loops<T>().sum_squares(g.size(), g.data());
    }
  }
  return std::sqrt(sum);
}

template <Real T>
Optimizer<T>::Optimizer(ParamGroups<T> groups, Schedule schedule, Clip clip)
    : groups_(std::move(groups)), schedule_(std::move(schedule)), clip_(clip) {
  require_valid(groups_, clip_);
  if (!schedule_) throw OptionError("optimizer: the schedule is empty");
  for (const auto& group : groups_) {
    for (const auto& p : group.parameters) factored_.list(*p.parameter);
    updates_.resize(updates_.size() + group.parameters.size());
  }
}

template <Real T>
typename Optimizer<T>::Memory& Optimizer<T>::keep(const char* name, bool needed, T value) {
  Memory& tensors = kept_[name];
  if (!needed) return tensors;
  for (const auto& group : groups_) {
    for (const auto& p : group.parameters) tensors.emplace_back(p.parameter->shape(), value);
  }
  return tensors;
}

template <Real T>
double Optimizer<T>::gradient_scale() const {
  if (clip_.norm == 0) return 1;
  const double norm = gradient_norm(groups_);
  return norm > clip_.norm ? clip_.norm / norm : 1;
}

template <Real T>
void Optimizer<T>::minimize(Var<T> loss) {
  const UseUp<T> afterwards{groups_, factored_};
  const bool clips = clip_.norm > 0 || clip_.value > 0;
  if (descends_plainly() && !clips) {
    loss.tape().backward(loss, factored_);
  } else {
    loss.tape().backward(loss);
  }
  step();
}

template <Real T>
void Optimizer<T>::step() {
  require_new_gradient(groups_, "step");
  const double rate = lr();
  require_rate<T>("the learning rate", rate);
  for (const auto& group : groups_) {
    require_rate<T>("the learning rate times lr_scale", rate * group.lr_scale);
  }
  const auto scale = static_cast<T>(gradient_scale());
  const T limit =
      clip_.value > 0 ? static_cast<T>(clip_.value) : std::numeric_limits<T>::infinity();
  std::size_t slot = 0;
  for (const auto& group : groups_) {
    const kernels::UpdateRule<T> rule{.lr = static_cast<T>(rate * group.lr_scale),
                                      .weight_decay = static_cast<T>(group.weight_decay),
                                      .momentum = 0,
                                      .gradient_scale = scale,
                                      .clip = limit,
                                      .nesterov = false};
    for (const auto& p : group.parameters) {
      if (p.parameter->has_new_gradient() && !p.parameter->frozen()) {
        ++updates_[slot];
        if (const Factors<T>* factors = factored_.at(slot)) {
          descend_along(*factors, rule, p.parameter->write());
        } else {
          update(slot, *p.parameter, rule);
        }
      }
      p.parameter->consume_gradient();
      ++slot;
    }
  }
  ++steps_;
}

// By slot.
template <Real T>
ParameterList<T> Optimizer<T>::parameters() const {
  ParameterList<T> all;
  for (const auto& group : groups_) {
    for (const auto& p : group.parameters) all.add(p.name, *p.parameter);
  }
  return all;
}

template <Real T>
Safetensors Optimizer<T>::save() const {
  Safetensors state;
  state.add_integers("steps", {&steps_, 1});
  const ParameterList<T> all = parameters();
  for (std::size_t slot = 0; slot < all.size(); ++slot) {
    state.add_integers("updates/" + all[slot].name, {&updates_[slot], 1});
  }
  for (const auto& [name, tensors] : kept_) {
    for (std::size_t slot = 0; slot < tensors.size(); ++slot) {
      state.add<T>(name + "/" + all[slot].name, tensors[slot]);
    }
  }
  return state;
}

template <Real T>
void Optimizer<T>::restore(const Safetensors& state) {
  require_alike(state, save(), "optimizer");
  const ParameterList<T> all = parameters();
  for (auto& [name, tensors] : kept_) {
    for (std::size_t slot = 0; slot < tensors.size(); ++slot) {
      tensors[slot] = state.at(name + "/" + all[slot].name).template as<T>();
    }
  }
  for (std::size_t slot = 0; slot < all.size(); ++slot) {
    updates_[slot] = state.at("updates/" + all[slot].name).integers()[0];
  }
  steps_ = state.at("steps").integers()[0];
}

template <Real T>
void require_epsilon(const char* option, double value) {
  if (static_cast<T>(value) > 0 && std::isfinite(static_cast<T>(value))) return;
  throw OptionError(fmt::format("{} is {}, but must be finite and above 0", option, value));
}

template void require_epsilon<float>(const char*, double);
template void require_epsilon<double>(const char*, double);
template double gradient_norm(const ParamGroups<float>&);
template double gradient_norm(const ParamGroups<double>&);
template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace tapegrad::optim
