// How trainings went, as pictures.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "examples/report/picture.h"
#include "optim/history.h"
#include "optim/range_test.h"
#include "optim/schedule.h"

namespace tapegrad::report {

/// A training's measurements; `name` goes behind "training" and "validation" in the legend.
struct History {
  std::string name;
  std::vector<optim::Measurement> measurements;
};

/// Draws cost, loss and accuracy over the steps, on training and validation images, and under them
/// the learning rate of every step. What was never measured has no line. Throws as curves() does.
Picture training_curves(Picture to, std::span<const History> histories,
                        const optim::Schedule& schedule);

/// Draws loss and accuracy over the learning rate, with the suggested range shaded.
Picture range_test(Picture to, const optim::RangeTest& test);

}  // namespace tapegrad::report
