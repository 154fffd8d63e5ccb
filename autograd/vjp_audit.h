// Whether every op writes a gradient where it should write, and adds where it should add.
#pragma once

#include <string>
#include <vector>

#include "autograd/tape.h"

namespace tapegrad {

/// Sentences about the ops of a tape that has run backward whose vjps put an operand's gradient
/// wrongly: that keep what stood there before its first touch, or that lose what others have put
/// there. Where a value is used once a gradient check sees neither: it is right then, by chance.
/// Each vjp is run again on numbers of its own; the tape and its gradients stay as they are.
std::vector<std::string> audit_vjps(Tape<double>& tape);

}  // namespace tapegrad
