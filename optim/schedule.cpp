#include "optim/schedule.h"

#include <fmt/format.h>

#include <cmath>

#include "tensor/error.h"

namespace tapegrad::optim {

double StepDecay::operator()(Index step) const {
  if (every < 1)
    throw OptionError(fmt::format("StepDecay: every is {}, but must be at least 1", every));
  return lr * std::pow(factor, static_cast<double>(step / every));
}

double CyclicLr::operator()(Index step) const {
  if (half_cycle < 1) {
    throw OptionError(
        fmt::format("CyclicLr: half_cycle is {}, but must be at least 1", half_cycle));
  }
  const Index place = step % (2 * half_cycle);
  const Index height = place <= half_cycle ? place : 2 * half_cycle - place;
  const double fraction = static_cast<double>(height) / static_cast<double>(half_cycle);
  return lr_min + fraction * (lr_max - lr_min);
}

}  // namespace tapegrad::optim
