#include "autograd/probe.h"

#include <numeric>

namespace tapegrad {
namespace {

std::vector<Probe> elements(Index size, Index sample, Rng& rng) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  if (sample > 0 && sample < size) {
    rng.permutation(order);
    order.resize(static_cast<std::size_t>(sample));
    std::sort(order.begin(), order.end());
  }
  std::vector<Probe> probes;
  for (const std::int32_t i : order) probes.push_back({i, {}});
  return probes;
}

std::vector<Probe> random_directions(Index size, Index count, Rng& rng) {
  std::vector<Probe> probes;
  if (size == 0) return probes;
  const double length = 1 / std::sqrt(static_cast<double>(size));
  for (Index k = 0; k < count; ++k) {
    Probe probe{k, std::vector<double>(static_cast<std::size_t>(size))};
    for (double& u : probe.direction) u = rng.below(2) == 0 ? length : -length;
    probes.push_back(std::move(probe));
  }
  return probes;
}

}  // namespace

std::vector<Probe> probes_of(Index size, Index sample, Index directions, Rng& rng) {
  return directions > 0 ? random_directions(size, directions, rng) : elements(size, sample, rng);
}

double slope_of(std::span<const double> gradient, const Probe& probe) {
  if (probe.direction.empty()) return gradient[static_cast<std::size_t>(probe.index)];
  return std::inner_product(gradient.begin(), gradient.end(), probe.direction.begin(), 0.0);
}

}  // namespace tapegrad
