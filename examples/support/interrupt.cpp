#include "examples/support/interrupt.h"

#include <csignal>

namespace tapegrad::examples {
namespace {

constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP};

// A handler has no object to write to.
volatile std::sig_atomic_t received = 0;

// From now on a signal ends the program, unless it was ignored, or tells of a closed terminal:
// shell and system both do, one right after the other.
void note(int signal) {
  received = signal;
  for (const int s : signals) {
    if (std::signal(s, SIG_DFL) == SIG_IGN || s == SIGHUP) std::signal(s, SIG_IGN);
  }
}

}  // namespace

void listen_for_interrupts() {
  for (const int s : signals) {
    if (std::signal(s, note) == SIG_IGN) std::signal(s, SIG_IGN);
  }
}

int interrupting_signal() { return received; }

void throw_if_interrupted() {
  if (received != 0) throw Interrupted("stopped");
}

}  // namespace tapegrad::examples
