#include "bench/support/contender.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "bench/support/report.h"

namespace tapegrad::bench {

Contender::Contender(Peer peer, const Problem& problem) : peer_(std::move(peer)) {
  const std::string& program = peer_.command.front();
  if (!std::filesystem::exists(program))
    throw std::runtime_error("it was not built: no " + program);
  child_ = start(peer_.command, problem);
  description_ = child_->line();
}

Turn Contender::ask(const std::string& request) {
  child_->send(request + "\n");
  const std::string line = child_->line();
  std::istringstream answer(line);
  std::string wall, processor, loss;  // as text, since "nan" is not a number to a stream
  answer >> wall >> processor >> loss;
  Turn turn{std::stod(wall), std::stod(processor), std::stod(loss), {}};
  std::getline(answer >> std::ws, turn.note);
  return turn;
}

namespace {

// Without the words about OpenBLAS at its end, when its version and kernels are as here.
std::string short_description(const std::string& description) {
  const std::string blas = blas_description();
  const std::size_t same = description.find("; " + blas.substr(0, blas.find(", threads")));
  return same == std::string::npos ? "with OTHER PRODUCTS: " + description
                                   : description.substr(0, same);
}

}  // namespace

std::vector<Contender> start_all(const std::vector<Peer>& peers, const Problem& problem) {
  std::vector<Contender> contenders;
  for (const Peer& peer : peers) {
    try {
      contenders.emplace_back(peer, problem);
      fmt::print("  {:<22} {}\n", peer.name, short_description(contenders.back().description()));
    } catch (const std::exception& error) {
      fmt::print("  {:<22} left out: {}\n", peer.name, error.what());
    }
    std::fflush(stdout);
  }
  return contenders;
}

std::vector<std::vector<Turn>> take_turns(std::vector<Contender>& contenders, int rounds,
                                          Index steps, std::chrono::milliseconds rest) {
  constexpr Index warm_up_steps = 3;  // the one before left its own data in the caches
  std::vector<std::vector<Turn>> turns(contenders.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const std::size_t next = (i + static_cast<std::size_t>(round)) % contenders.size();
      std::this_thread::sleep_for(rest);
      contenders[next].run(warm_up_steps);
      turns[next].push_back(contenders[next].run(steps));
    }
  }
  return turns;
}

std::vector<double> times(const std::vector<Turn>& turns, Clock clock) {
  std::vector<double> list;
  for (const Turn& turn : turns) {
    list.push_back(clock == Clock::wall ? turn.wall : turn.processor);
  }
  return list;
}

double paired_ratio(const std::vector<Turn>& a, const std::vector<Turn>& b, Clock clock) {
  std::vector<double> ratios = times(a, clock);
  const std::vector<double> below = times(b, clock);
  for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] /= below[i];
  return median(ratios);
}

std::string peer_program(const std::string& name) { return PEER_PROGRAMS "/" + name; }

std::vector<std::string> peer_script(const std::string& name) {
  return {"/usr/bin/python3", "-B", PEER_SCRIPTS "/" + name};  // -B: leaves no compiled files
}

}  // namespace tapegrad::bench
