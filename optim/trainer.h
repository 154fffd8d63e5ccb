// The training loop, with measurements, callbacks and a progress line.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optim/checkpoint.h"
#include "optim/history.h"
#include "optim/optimizer.h"

namespace tapegrad::optim {

/// For TrainerOptions::measure_when: every n updates; never for n < 1.
inline std::function<bool(Index)> every(Index n) {
  return [n](Index step) { return n > 0 && step % n == 0; };
}

/// For TrainerOptions::measure_when: `count` times in every `cycle_steps` updates, evenly spread
/// with the last at a cycle's end; never for a count of 0. Throws OptionError for a negative count
/// and for cycles of no steps.
std::function<bool(Index)> per_cycle(Index count, Index cycle_steps);

/// What a Trainer does beside stepping. Everything may be left out.
struct TrainerOptions {
  /// Whether to measure after that many updates. Before the first and after the last it always
  /// does.
  std::function<bool(Index step)> measure_when = {};
  Index steps_per_epoch = 0;  // to state the epoch of a measurement
  std::function<Scores()> measure_train = {};
  std::function<Scores()> measure_validation = {};
  /// The penalty that belongs to the cost; without it, that of the optimizer's groups.
  std::function<double()> penalty = {};
  /// Ends training after so many measurements in a row without a better validation accuracy; 0:
  /// never.
  Index patience = 0;
  /// Leaves the parameters as they were at the measurement with the best validation accuracy (the
  /// first, on ties) instead of as the last update left them: those of the optimizer, or those to
  /// be saved, when there are checkpoints. Running statistics among them, which belong to the
  /// weights: hand over parameters(), not parameters().trainable().
  bool keep_best = false;
  /// Called after each update; `step` counts from 1. Some gradients may not have been written, see
  /// Optimizer::minimize.
  std::function<void(Index step, double loss)> on_step = {};
  std::function<void(const Measurement&)> on_measure = {};
  /// Asked before the first update and after each: whether to save a checkpoint, if there are any,
  /// and leave run() by throwing Interrupted.
  std::function<bool()> interrupted = {};
  bool progress = true;  // on a terminal
};

/// Repeats: record the loss, minimize it by a step.
template <Real T>
class Trainer {
 public:
  /// Records the loss of the next batch on the given tape, which outlives the call: tensors that
  /// the function makes must too, or be handed to the tape as temporaries (std::move).
  using Loss = std::function<Var<T>(Tape<T>&)>;

  Trainer(Optimizer<T>& optimizer, Loss loss, TrainerOptions options = {});
  Trainer(const Trainer&) = delete;  // its checkpoints save and restore this one
  Trainer& operator=(const Trainer&) = delete;

  /// Makes `steps` updates, measuring before the first, when measure_when says so and after the
  /// last. Throws OptionError for steps < 0 and when patience or keep_best is asked for but the
  /// validation accuracy is not measured, and GradError when the loss or the training cost is not
  /// finite, naming the step, the learning rate and, given steps_per_epoch, the batch. An
  /// AnomalyError gets the same place.
  ///
  /// Throws Interrupted when `interrupted` says so or a measuring function throws it: what() says
  /// after which step, and where the checkpoint is. A measurement that was due then is made when
  /// the training is resumed.
  void run(Index steps);

  /// run(steps), an update at a time and without a progress line, for trainings that take turns:
  /// start(steps) measures what is due before the first update, advance() makes one and returns its
  /// loss, or does nothing and returns nothing once the run is over or something was thrown. Both
  /// throw as run does.
  void start(Index steps);
  std::optional<double> advance();

  /// From now on keeps checkpoints: after every so many steps and the measurement there, at the end
  /// of run() and when that is interrupted. Saved are the parameters and generators of the list,
  /// under their names (all that the training changes must be in it), the optimizer, the history,
  /// what patience and keep_best need, and `others`, such as the place of a loader: position_of.
  ///
  /// With options.resume, restores the newest checkpoint and returns its step, or 0 to begin at the
  /// start. run() then counts the steps made before as made, and what it does is bit for bit what
  /// the training would have done without the interruption; where it is called more than once, only
  /// the last run may have ended early. Call this once, before run(). Throws as Checkpoints does,
  /// and OptionError when the optimizer moves a parameter that is not in the list
  /// or a setting is called "numbers", which is the trainer's.
  Index checkpoint(CheckpointOptions options, const ParameterList<T>& parameters,
                   std::vector<StatePiece> others = {});

  /// Announces every op of the training steps to `observer`, which must stay; null: to nobody. An
  /// AnomalyDetector finds the op where numbers stop being finite, a Profile where the time goes.
  void observe(TapeObserver<T>* observer) { observer_ = observer; }

  /// Ends run() after the update being made; for callbacks.
  void stop() { stopped_ = true; }

  const std::vector<Measurement>& history() const { return history_; }

  /// The measurement with the best validation accuracy, the first on ties. Throws OptionError when
  /// validation was never measured.
  const Measurement& best() const;

 private:
  template <class Use>
  double record(const Use& use);
  double step();
  double differentiate();
  std::string place() const;
  void measure();
  void measure_if_due();
  void note_best();
  void look();
  void save_if_due();
  void end_if_due();
  [[noreturn]] void leave();
  ParameterValues<T> values() const;
  Safetensors save() const;
  void restore(const Safetensors& state);

  Optimizer<T>& optimizer_;
  Loss loss_;
  TrainerOptions options_;
  std::vector<Measurement> history_;
  std::size_t best_ = 0;     // place in history_
  ParameterValues<T> kept_;  // from there, for keep_best
  TapeObserver<T>* observer_ = nullptr;
  bool stopped_ = false;
  Index end_ = 0;         // of run(): the optimizer's steps then
  bool running_ = false;  // start() was called and the end not reached

  std::optional<Checkpoints> checkpoints_;
  std::optional<ParameterList<T>> listed_;  // those that checkpoints save
  Index saved_step_ = 0;   // of the last checkpoint; there is none of step 0 but by interruption
  Index steps_ahead_ = 0;  // made before a resumption, not yet counted by run()
  bool resumed_ = false;   // and run() not called since
};

}  // namespace tapegrad::optim
