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

template <Real T>
Trainer<T>::Trainer(Optimizer<T>& optimizer, Loss loss, TrainerOptions options)
    : optimizer_(optimizer), loss_(std::move(loss)), options_(std::move(options)) {}

template <Real T>
double Trainer<T>::step() {
  double loss = 0;
  {
    Tape<T> tape;
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
  m.penalty = penalty(optimizer_.groups());
  if (options_.steps_per_epoch > 0) {
    m.epoch = static_cast<double>(m.step) / static_cast<double>(options_.steps_per_epoch);
  }
  if (options_.measure_train) {
    m.train = options_.measure_train();
    require_finite(m.train.loss, optimizer_);
  }
  if (options_.measure_validation) m.validation = options_.measure_validation();
  history_.push_back(m);
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
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace tapegrad::optim
