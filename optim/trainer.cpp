#include "optim/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/anomaly.h"
#include "optim/progress.h"
#include "tensor/error.h"

namespace tapegrad::optim {
namespace {

void require_finite(const char* what, double number, const std::string& place) {
  if (std::isfinite(number)) return;
  throw GradError(
      fmt::format("{} is {} at {}; a lower learning rate or clipped gradients may keep it finite",
                  what, std::abs(number), place));
}

}  // namespace

std::function<bool(Index)> per_cycle(Index count, Index cycle_steps) {
  if (count == 0) return {};
  if (count < 0 || cycle_steps < 1) {
    throw OptionError(fmt::format(
        "per_cycle: {} times in {} steps: need a count of 0 or more and at least 1 step", count,
        cycle_steps));
  }
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
  const double last = history_.back().validation.accuracy;
  const double best = history_[best_].validation.accuracy;
  const bool better = last > best || (std::isnan(best) && !std::isnan(last));
  if (history_.size() == 1 || better) {
    best_ = history_.size() - 1;
    if (options_.keep_best) kept_ = values();
  } else if (options_.patience > 0 &&
             history_.size() - 1 - best_ >= static_cast<std::size_t>(options_.patience)) {
    stop();
  }
}

// The step to be made: its batch is known when every step takes the next one of an epoch.
template <Real T>
std::string Trainer<T>::place() const {
  const Index step = optimizer_.steps();
  const Index epoch = options_.steps_per_epoch;
  const std::string batch = epoch > 0 ? fmt::format("batch {} of {} in epoch {}, ",
                                                    step % epoch + 1, epoch, step / epoch + 1)
                                      : "";
  return fmt::format("step {} ({}learning rate {:g})", step, batch, optimizer_.lr());
}

// Records the loss of the next batch and calls use(loss) while there is a tape; returns the loss.
template <Real T>
template <class Use>
double Trainer<T>::record(const Use& use) {
  Tape<T> tape;
  tape.observe(observer_);
  try {
    const Var<T> recorded = loss_(tape);
    if (&recorded.tape() != &tape) {
      throw GradError("Trainer: the loss is on another tape than the one given");
    }
    const auto loss = static_cast<double>(recorded.item());
    if (!std::isfinite(loss)) require_finite("the loss", loss, place());
    use(recorded);
    return loss;
  } catch (const AnomalyError& error) {
    throw AnomalyError(error.anomaly, place() + ": ");
  }
}

template <Real T>
double Trainer<T>::step() {
  return record([this](Var<T> loss) { optimizer_.minimize(loss); });
}

template <Real T>
double Trainer<T>::differentiate() {
  return record([](Var<T> loss) { loss.tape().backward(loss); });
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
    // Measuring is not observed; the next step is, and will say where it began.
    if (!std::isfinite(m.train_cost()) && observer_ != nullptr) differentiate();
    require_finite("the training cost", m.train_cost(),
                   fmt::format("step {} (learning rate {:g})", m.step, m.lr));
  }
  if (options_.measure_validation) m.validation = options_.measure_validation();
  if ((options_.patience > 0 || options_.keep_best) && std::isnan(m.validation.accuracy)) {
    throw OptionError(fmt::format(
        "Trainer: patience and keep_best go by the validation accuracy, which is nan at step {}; "
        "does measure_validation state it?",
        m.step));
  }
  history_.push_back(m);
  if (options_.measure_validation) note_best();
  if (options_.on_measure) options_.on_measure(m);
}

// Measures before the first step of all, when measure_when says so and after the last step; once.
template <Real T>
void Trainer<T>::measure_if_due() {
  const Index now = optimizer_.steps();
  if (!history_.empty() && history_.back().step == now) return;
  const bool asked = options_.measure_when && options_.measure_when(now);
  if (history_.empty() || asked || now == end_ || stopped_) measure();
}

template <Real T>
void Trainer<T>::save_if_due() {
  const Index now = optimizer_.steps();
  if (!checkpoints_ || saved_step_ == now) return;
  if (!checkpoints_->due(now) && now != end_ && !stopped_) return;
  if (checkpoints_->save(now)) saved_step_ = now;
}

// Between two steps: the moment to end in good order.
template <Real T>
void Trainer<T>::look() {
  try {
    if (options_.interrupted && options_.interrupted()) throw Interrupted("asked to");
    measure_if_due();
  } catch (const Interrupted&) {
    leave();
  }
  save_if_due();
}

template <Real T>
void Trainer<T>::leave() {
  const Index now = optimizer_.steps();
  std::string text = fmt::format("stopped after step {}", now);
  if (checkpoints_) {
    const bool saved = (saved_step_ == now && now > 0) || checkpoints_->save(now);
    text += saved ? fmt::format(", kept in {}", checkpoints_->path(now).string())
                  : ", but no checkpoint of it could be written";
  }
  throw Interrupted(text);
}

template <Real T>
void Trainer<T>::end_if_due() {
  if (optimizer_.steps() < end_ && !stopped_) return;
  running_ = false;
  if (options_.keep_best) kept_.restore();
}

template <Real T>
void Trainer<T>::start(Index steps) {
  if (steps < 0) throw OptionError(fmt::format("Trainer: {} steps to make", steps));
  const Index made = std::min(steps_ahead_, steps);
  steps_ahead_ -= made;
  end_ = optimizer_.steps() + steps - made;
  running_ = false;
  if (made == steps && steps_ahead_ > 0) return;  // all of it was made before the interruption
  if (!std::exchange(resumed_, false)) stopped_ = false;
  look();
  running_ = true;
  end_if_due();
}

template <Real T>
std::optional<double> Trainer<T>::advance() {
  if (!std::exchange(running_, false)) return std::nullopt;  // nor after what throws
  const double loss = step();
  if (options_.on_step) options_.on_step(optimizer_.steps(), loss);
  look();
  running_ = true;
  end_if_due();
  return loss;
}

template <Real T>
void Trainer<T>::run(Index steps) {
  start(steps);
  const auto made = [&] { return steps - (end_ - optimizer_.steps()); };
  Progress progress(steps, options_.progress, made());
  while (const std::optional<double> loss = advance()) {
    progress.update(made(), fmt::format("loss {:.4f}", *loss));
  }
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace tapegrad::optim
