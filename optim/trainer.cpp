#include "optim/trainer.h"

#include <fmt/format.h>

#include <cmath>

#include "optim/progress.h"
#include "tensor/error.h"

namespace tapegrad::optim {
namespace {

template <Real T>
void require_finite(double loss, const Optimizer<T>& optimizer) {
  if (std::isfinite(loss)) return;
  throw GradError(
      fmt::format("the loss is {} at step {} (learning rate {:g}); a lower learning rate or "
                  "clipped gradients may keep it finite",
                  std::abs(loss), optimizer.steps(), optimizer.lr()));
}

}  // namespace

std::function<bool(Index)> per_cycle(Index count, Index cycle_steps) {
  if (count == 0) return {};
  return [=](Index step) {
    // The j-th is due at the step nearest to j / count of the cycle.
    const Index place = (step - 1) % cycle_steps + 1;
    const Index j = (2 * place * count + cycle_steps) / (2 * cycle_steps);
    return j >= 1 && (2 * j * cycle_steps + count) / (2 * count) == place;
  };
}

template <Real T>
Trainer<T>::Trainer(Optimizer<T>& optimizer, Loss loss, TrainerOptions options)
    : optimizer_(optimizer), loss_(std::move(loss)), options_(std::move(options)) {
  if ((options_.patience > 0 || options_.keep_best) && !options_.measure_validation) {
    throw OptionError("Trainer: patience and keep_best need measure_validation");
  }
  if (options_.patience < 0) {
    throw OptionError(
        fmt::format("Trainer: patience is {}, but must be at least 0", options_.patience));
  }
}

template <Real T>
const Measurement& Trainer<T>::best() const {
  if (history_.empty() || !options_.measure_validation) {
    throw OptionError("Trainer: validation was not measured, so no measurement is the best");
  }
  return history_[best_];
}

template <Real T>
void Trainer<T>::note_best() {
  const bool better = history_.size() == 1 ||
                      history_.back().validation.accuracy > history_[best_].validation.accuracy;
  if (better) {
    best_ = history_.size() - 1;
    if (options_.keep_best) kept_ = values_of(optimizer_.groups());
  } else if (options_.patience > 0 &&
             history_.size() - 1 - best_ >= static_cast<std::size_t>(options_.patience)) {
    stop();
  }
}

template <Real T>
double Trainer<T>::step() {
  double loss = 0;
  {
    Tape<T> tape;
    tape.observe(observer_);
    const Var<T> recorded = loss_(tape);
    loss = static_cast<double>(recorded.item());
    require_finite(loss, optimizer_);
    tape.backward(recorded);
  }
  optimizer_.step();
  return loss;
}

template <Real T>
void Trainer<T>::measure() {
  Measurement m;
  m.step = optimizer_.steps();
  m.lr = optimizer_.lr();
  m.penalty = options_.penalty ? options_.penalty() : penalty(optimizer_.groups());
  if (options_.steps_per_epoch > 0) {
    m.epoch = static_cast<double>(m.step) / static_cast<double>(options_.steps_per_epoch);
  }
  if (options_.measure_train) {
    m.train = options_.measure_train();
    require_finite(m.train.loss, optimizer_);
  }
  if (options_.measure_validation) m.validation = options_.measure_validation();
  history_.push_back(m);
  if (options_.measure_validation) note_best();
  if (options_.on_measure) options_.on_measure(m);
}

template <Real T>
void Trainer<T>::run(Index steps) {
  stopped_ = false;
  Progress progress(steps, options_.progress);
  if (history_.empty()) measure();
  for (Index i = 1; i <= steps && !stopped_; ++i) {
    const double loss = step();
    progress.update(i, fmt::format("loss {:.4f}", loss));
    if (options_.on_step) options_.on_step(optimizer_.steps(), loss);
    const bool due = options_.measure_when && options_.measure_when(optimizer_.steps());
    if (due || i == steps || stopped_) {
      progress.clear();
      measure();
    }
  }
  if (options_.keep_best) kept_.restore();
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace tapegrad::optim
