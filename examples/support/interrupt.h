// Ctrl-C, kill and a closed terminal, obeyed in good order.
#pragma once

#include "tensor/error.h"

namespace tapegrad::examples {

/// From now on the first SIGINT, SIGTERM or SIGHUP is a wish to end, which long work looks for; the
/// second ends the program at once, but for a SIGHUP, which often comes twice. A signal that was
/// ignored stays ignored, as nohup wants it.
void listen_for_interrupts();

/// The signal that came, 0 for none.
int interrupting_signal();

/// Throws Interrupted once a signal came.
void throw_if_interrupted();

}  // namespace tapegrad::examples
