// What a training run measured.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "tensor/scalar.h"

namespace tapegrad::optim {

/// The mean loss over a set of samples and the fraction classified right; NaN when not measured.
struct Scores {
  double loss = std::numeric_limits<double>::quiet_NaN();
  double accuracy = std::numeric_limits<double>::quiet_NaN();
};

/// One line of a history: where training stood after `step` updates. cost = loss + penalty.
struct Measurement {
  Index step = 0;
  double epoch = 0;  // passes over the training set so far
  double lr = 0;     // of the next update
  double penalty = 0;
  Scores train = {};
  Scores validation = {};

  double train_cost() const { return train.loss + penalty; }
  double validation_cost() const { return validation.loss + penalty; }
};

/// "step,epoch,lr,train_cost,train_loss,train_accuracy,validation_cost,validation_loss,
/// validation_accuracy" and a line per measurement; numbers read back exactly, what was not
/// measured is left empty.
std::string to_csv(const std::vector<Measurement>& history);

/// The same as a JSON array of objects, one a line; null for what was not measured, and for what is
/// infinite or NaN, of which JSON has none.
std::string to_json(const std::vector<Measurement>& history);

}  // namespace tapegrad::optim
