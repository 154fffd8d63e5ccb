// Peers that take turns, so that whatever else the machine does slows all of them alike.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bench/support/child.h"
#include "bench/support/problem.h"

namespace tapegrad::bench {

/// A peer: what it is called and the program that is it, with its first arguments.
struct Peer {
  std::string name;
  std::vector<std::string> command;
};

/// What a turn took, per step in microseconds or as a whole in seconds.
struct Turn {
  double wall;
  double processor;
  double loss;
  std::string note;
};

/// A peer at work on a problem, in a process of its own that sleeps while others take their turn.
class Contender {
 public:
  /// Throws std::runtime_error when the program does not start.
  Contender(Peer peer, const Problem& problem);

  /// Makes so many steps; microseconds per step.
  Turn run(Index steps) { return ask("run " + std::to_string(steps)); }

  /// Sends a request (bench/support/peer.h) and reads its answer.
  Turn ask(const std::string& request);

  const std::string& name() const { return peer_.name; }
  const std::string& description() const { return description_; }  // by itself

 private:
  Peer peer_;
  std::unique_ptr<Child> child_;
  std::string description_;
};

/// Starts the peers and prints a line about each, with its OpenBLAS where that or the kernels it
/// chose are not ours. One whose program is not there or does not start is left out, and that is
/// said.
std::vector<Contender> start_all(const std::vector<Peer>& peers, const Problem& problem);

/// Everybody's turns, one list for each contender. Who begins a round changes, so that nobody
/// always follows the same one. Before each turn all rest for so long: helper threads, OpenBLAS's
/// and OpenMP's, stay awake a while after their work and would take a core from the next.
std::vector<std::vector<Turn>> take_turns(std::vector<Contender>& contenders, int rounds,
                                          Index steps, std::chrono::milliseconds rest);

enum class Clock : bool { wall, processor };

std::vector<double> times(const std::vector<Turn>& turns, Clock clock);

/// The median of a's times over b's, turn by turn.
double paired_ratio(const std::vector<Turn>& a, const std::vector<Turn>& b, Clock clock);

/// The program of a peer in C++, which the build puts beside the benchmarks.
std::string peer_program(const std::string& name);

/// A peer in Python: the interpreter and the script.
std::vector<std::string> peer_script(const std::string& name);

}  // namespace tapegrad::bench
