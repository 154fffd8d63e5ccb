// Where the time of a computation goes.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "autograd/tape.h"

namespace tapegrad {

/// What an op costs, forward or backward, summed over its uses.
struct OpCost {
  Index calls = 0;
  double seconds = 0;
  double flops = 0;  // of products and convolutions; 0 for others, which move memory
  double bytes = 0;  // operands and results, each read or written once
};

/// Measures the ops of the tapes that it observes: tape.observe(&profile), or trainer.observe.
/// What ops make of other ops is counted for those alone.
template <Scalar T>
class Profile final : public TapeObserver<T> {
 public:
  /// By name of the op and direction, "forward" or "backward".
  using Costs = std::map<std::pair<std::string, std::string>, OpCost>;
  const Costs& costs() const { return costs_; }

  /// The seconds of all ops together.
  double seconds() const;

  void forward_begins(const Node<T>& node) override;
  void forward_ends(const Node<T>& node) override;
  void backward_begins(const Node<T>& node) override;
  void backward_ends(const Node<T>& node) override;

 private:
  using Clock = std::chrono::steady_clock;

  void add(const Node<T>& node, const char* direction, double flops, double bytes);

  Costs costs_;
  Clock::time_point start_;
};

/// A line per op and direction, the costliest first: its share of the time, milliseconds per step
/// of `steps`, GFLOP/s and GB/s; then what `total_seconds` spent outside of ops.
template <Scalar T>
std::string to_string(const Profile<T>& profile, Index steps, double total_seconds);

}  // namespace tapegrad
