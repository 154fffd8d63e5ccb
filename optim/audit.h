// Whether the update that training makes is the one its cost asks for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/cost_gradients.h"
#include "optim/schedule.h"

namespace tapegrad::optim {

/// What the audited update claims to be: momentum or Nesterov gradient descent on a cost that
/// includes the penalty lambda * sum of squares of the matrices.
struct AuditOptions {
  Schedule lr = {};   // the learning rate of step 0, 1, ..., above 0
  double lambda = 0;  // must not be 0: at 0 no penalty mistake can show
  double momentum = 0;
  bool nesterov = false;
  Index batch_size = 0;     // names a division by it; 0 when unknown
  int steps = 3;            // state such as momentum shows from the second step on
  double tolerance = 1e-9;  // relative to the largest change of each parameter
};

/// What was found for one parameter.
struct AuditedParameter {
  std::string name;
  double error = 0;          // the largest |made - asked for| over all steps, relative
  double penalty_share = 1;  // of the penalty's gradient that the first step contains: 1 is right
  bool passed = false;
};

struct AuditReport {
  std::vector<AuditedParameter> parameters;
  std::vector<std::string> diagnosis;

  bool passed() const;
};

/// A table of the parameters, and the diagnosis.
std::string to_string(const AuditReport& report);

/// Makes `options.steps` updates with `step` (one whole training step: record the loss, backward,
/// optimizer.step(), or whatever the program does) and compares each with what the gradient of
/// `cost`, the *whole* cost with its penalty, says: v <- momentum v + g, w <- w - lr v (or
/// Nesterov's). `cost` and `step` must use the same batch. A gradient check of the loss, or one at
/// lambda = 0, sees none of the mistakes this names: "penalty in the cost but not in the update",
/// "divided by the batch size", "half of 2 lambda W", a learning rate off by a factor, momentum
/// that is missing, biases that are decayed. Frozen parameters are left out: a step may move them
/// (running statistics do). All parameters come back as they were; the optimizer's own state does
/// not. Throws OptionError when lambda or lr is missing, or lr is not above 0 in one of the steps.
AuditReport audit_update(const ParameterList<double>& all, const Cost<double>& cost,
                         const std::function<void()>& step, const AuditOptions& options);

}  // namespace tapegrad::optim
