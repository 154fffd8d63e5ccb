// The training loop, with measurements, callbacks and a progress line.
#pragma once

#include <functional>
#include <vector>

#include "optim/history.h"
#include "optim/optimizer.h"

namespace tapegrad::optim {

/// What a Trainer does beside stepping. Everything may be left out.
struct TrainerOptions {
  Index measure_every =
      0;  // steps between measurements; 0: only before the first and after the last
  Index steps_per_epoch = 0;  // to state the epoch of a measurement
  std::function<Scores()> measure_train = {};
  std::function<Scores()> measure_validation = {};
  std::function<void(Index step, double loss)> on_step =
      {};  // after each update; step counts from 1
  std::function<void(const Measurement&)> on_measure = {};
  bool progress = true;  // on a terminal
};

/// Repeats: record the loss, run backward, step.
template <Real T>
class Trainer {
 public:
  /// Records the loss of the next batch on the given tape.
  using Loss = std::function<Var<T>(Tape<T>&)>;

  Trainer(Optimizer<T>& optimizer, Loss loss, TrainerOptions options = {});

  /// Makes `steps` updates, measuring before the first, every measure_every and after the last.
  /// Throws GradError when the loss is not finite, naming the step and the learning rate.
  void run(Index steps);

  /// Ends run() after the update being made; for callbacks.
  void stop() { stopped_ = true; }

  const std::vector<Measurement>& history() const { return history_; }

 private:
  double step();
  void measure();

  Optimizer<T>& optimizer_;
  Loss loss_;
  TrainerOptions options_;
  std::vector<Measurement> history_;
  bool stopped_ = false;
};

}  // namespace tapegrad::optim
