// Settings that are allowed but rarely meant: each finding is a sentence for people.
#pragma once

#include <string>
#include <vector>

#include "optim/history.h"
#include "optim/search.h"

namespace tapegrad::optim {

/// A training with a triangular learning rate, as somebody describes it.
struct CyclePlan {
  Index half_cycle = 0;
  Index steps = 0;
  Index steps_per_epoch = 0;
  Index stated_cycles = 0;  // 0: not stated
};

/// Training that does not end where a cycle does; a stated number of cycles that it does not have
/// ("48 epochs at a half-cycle of 900 steps are 12 cycles, not 3"); a half-cycle outside the 2 to 8
/// epochs that Smith (2015) advises.
std::vector<std::string> lint_cycles(const CyclePlan& plan);

/// A search whose accuracy does not move along its (first) axis, though that spans at least three
/// decades: as when the update ignores the penalty. Looks at rows of the largest budget.
std::vector<std::string> lint_search(const Axis& axis, const std::vector<SearchRow>& rows);

/// A training whose cost, or validation cost where only that was measured, is higher at its end
/// than at its start, as with a learning rate that is too high.
std::vector<std::string> lint_history(const std::vector<Measurement>& history);

}  // namespace tapegrad::optim
