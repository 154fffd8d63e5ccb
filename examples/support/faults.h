// Wrong gradients and wrong updates, planted on purpose.
#pragma once

#include <span>
#include <string>

#include "examples/support/check_network.h"

namespace tapegrad::examples {

/// A mistake that somebody could make.
struct Fault {
  const char* name;
  const char* what;
};

/// All of them.
std::span<const Fault> faults();

/// What the checker says about a network with that mistake: the gradient check for a wrong
/// gradient, the audit for a wrong update.
struct FaultReport {
  bool caught;
  std::string text;
};

/// Plants the mistake and checks. Throws OptionError for an unknown name.
FaultReport check_fault(const std::string& name, CheckProblem& problem);

}  // namespace tapegrad::examples
