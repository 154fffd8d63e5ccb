// A training step of assignment 2 and of a wider network against the bare matrix products and
// against other libraries.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "bench/support/agreement.h"
#include "bench/support/bars.h"
#include "bench/support/contender.h"
#include "bench/support/images.h"
#include "bench/support/options.h"
#include "bench/support/report.h"

namespace {

using namespace tapegrad;
using namespace tapegrad::bench;

const Peer ours{"tapegrad", {peer_program("ours")}};
const Peer ours_alone{"tapegrad, 1 thread", ours.command};  // beside it on several
const Peer torch{"PyTorch", peer_script("pytorch_step.py")};

// The products alone, by each library that may be the fastest.
std::vector<Peer> floors() {
  return {{"products, OpenBLAS", {peer_program("floor"), "openblas"}},
          {"products, our own", {peer_program("floor"), "own"}}};
}

std::vector<Peer> two_layer_peers() {
  std::vector<Peer> peers = floors();
  peers.push_back({"products, LIBXSMM", {peer_program("floor"), "libxsmm"}});
  peers.insert(peers.end(), {ours,
                             {"BLAS by hand", {peer_program("blas_loop")}},
                             {"Eigen", {peer_program("eigen")}},
                             {"LibTorch", {peer_program("libtorch")}},
                             torch,
                             {"NumPy", peer_script("numpy_step.py")}});
  return peers;
}

std::vector<Peer> wide_peers() {
  std::vector<Peer> peers = floors();
  peers.insert(peers.end(), {ours, torch});
  return peers;
}

bool is_floor(const std::string& name) { return name.starts_with("products"); }

// By how much we must be faster than each peer.
struct Targets {
  double hand_over_ours;
  double torch_over_ours;
  double others_over_ours;

  double for_peer(const std::string& name) const {
    if (name == "PyTorch") return torch_over_ours;
    return name == "Eigen" || name == "BLAS by hand" ? hand_over_ours : others_over_ours;
  }
};

constexpr Index agreement_steps = 20;
constexpr double agreement = 1e-3;

// All start from the same weights and see the same batches, so they must get the same loss.
std::vector<Loss> check_agreement(std::vector<Contender>& contenders) {
  std::vector<Loss> losses;
  for (Contender& contender : contenders) {
    const double loss = contender.run(agreement_steps).loss;
    if (!is_floor(contender.name())) losses.push_back({contender.name(), loss});
  }
  require_agreement(losses.front(), losses, agreement);
  fmt::print("after {} steps all have loss {:.4f}, to {:.0e}\n", agreement_steps,
             losses.front().value, agreement);
  return losses;
}

// The check's twin: our own program without the penalty's gradient must be noticed.
void check_that_faults_show(Problem problem, const Loss& expected) {
  problem.settings.lambda = 0;
  Contender planted({"tapegrad without 2 lambda W", ours.command}, problem);
  const double loss = planted.run(agreement_steps).loss;
  try {
    require_agreement(expected, {{planted.name(), loss}}, agreement);
  } catch (const std::exception& error) {
    fmt::print("planted: {}\n", error.what());
    return;
  }
  throw std::runtime_error("a peer without the penalty's gradient was not noticed");
}

struct Result {
  std::string name;
  std::vector<Turn> turns;
};

const Result& find(const std::vector<Result>& results, std::string_view name) {
  return *std::find_if(results.begin(), results.end(),
                       [&](const Result& result) { return result.name == name; });
}

// The floor with the lowest median.
const Result& best_floor(const std::vector<Result>& results, Clock clock) {
  const Result* best = nullptr;
  for (const Result& result : results) {
    if (!is_floor(result.name)) continue;
    if (best == nullptr || median(times(result.turns, clock)) < median(times(best->turns, clock))) {
      best = &result;
    }
  }
  return *best;
}

void print_table(const std::vector<Result>& results, Clock clock) {
  const Result& floor = best_floor(results, clock);
  const Result& us = find(results, ours.name);
  fmt::print("  {:<22} {:>10} {:>10} {:>10} {:>10}\n",
             clock == Clock::wall ? "us per step" : "us of processor time", "median", "min",
             "/ floor", "/ ours");
  for (const Result& result : results) {
    const std::vector<double> list = times(result.turns, clock);
    fmt::print("  {:<22} {:>10.1f} {:>10.1f} {:>10.2f} {:>10.2f}\n", result.name, median(list),
               *std::min_element(list.begin(), list.end()),
               paired_ratio(result.turns, floor.turns, clock),
               paired_ratio(result.turns, us.turns, clock));
  }
  fmt::print("  our last turn's batch, forward, backward with update: {}us\n\n",
             us.turns.back().note);
}

void print_floor_target(const std::vector<Result>& results, Clock clock, double target) {
  const Result& floor = best_floor(results, clock);
  print_target(fmt::format("tapegrad / {}", floor.name),
               paired_ratio(find(results, ours.name).turns, floor.turns, clock), Bound::at_most,
               target, "");
}

void print_peer_targets(const std::vector<Result>& results, Clock clock, const Targets& targets) {
  const Result& us = find(results, ours.name);
  for (const Result& result : results) {
    if (is_floor(result.name) || result.name == ours.name) continue;
    print_target(result.name + " / tapegrad", paired_ratio(result.turns, us.turns, clock),
                 Bound::at_least, targets.for_peer(result.name), "");
  }
}

void draw(const std::vector<Result>& results, const std::string& file, const std::string& title) {
  const Result& us = find(results, ours.name);
  std::vector<Bar> bars;
  for (const Result& result : results) {
    const double value = median(times(result.turns, Clock::processor));
    const double ratio = paired_ratio(result.turns, us.turns, Clock::processor);
    bars.push_back({result.name, value, fmt::format("{:.0f} ({:.2f})", value, ratio),
                    result.name == ours.name});
  }
  draw_bars({.stem = file, .title = title},
            "µs of processor time per step (and relative to tapegrad)", bars);
  fmt::print("\n  picture: {}.png\n", file);
}

struct Size {
  std::string title;
  std::vector<Index> widths;
  Index batch;
};

std::vector<Result> measure(const Images& images, const Size& size, const std::vector<Peer>& peers,
                            int threads, int rounds, Index steps) {
  fmt::print("\n{}, batch {}, {} thread{}, {} rounds of {} steps\n", size.title, size.batch,
             threads, threads == 1 ? "" : "s", rounds, steps);
  Problem problem =
      make_problem(images.set, data::Standardizer::fit(images.set), size.widths, size.batch);
  problem.threads = threads;
  std::vector<Contender> contenders = start_all(peers, problem);
  if (threads > 1) {
    problem.threads = 1;
    contenders.emplace_back(ours_alone, problem);
  }
  const auto losses = check_agreement(contenders);
  check_that_faults_show(problem, losses.front());
  fmt::print("\n");
  const auto turns =
      take_turns(contenders, rounds, steps, std::chrono::milliseconds(threads > 1 ? 100 : 0));
  std::vector<Result> results;
  for (std::size_t i = 0; i < turns.size(); ++i)
    results.push_back({contenders[i].name(), turns[i]});
  return results;
}

void run(const Counts& counts) {
  fmt::print("{}\n", machine_description());
  const Images images = load_images(1);
  fmt::print("{} {}\n", images.set.size(), images.source);
  const int rounds = counts.at("rounds");
  const int steps = counts.at("steps");
  const int wide_steps = std::max(steps / 10, 1);
  const Size narrow{"3072-50-10", {3072, 50, 10}, 100};
  const Size wide{"3072-1024-1024-10", {3072, 1024, 1024, 10}, 256};

  auto results = measure(images, narrow, two_layer_peers(), 1, rounds, steps);
  print_table(results, Clock::processor);
  print_floor_target(results, Clock::processor, 1.25);
  print_peer_targets(results, Clock::processor, {1.35, 1.9, 1.5});
  draw(results, "peers", "A training step of " + narrow.title + ", one thread");

  results = measure(images, wide, wide_peers(), 1, rounds / 2 + 1, wide_steps);
  print_table(results, Clock::processor);
  print_floor_target(results, Clock::processor, 1.05);

  // With several threads processor time counts each of them, and waiting; wall time counts others.
  results = measure(images, narrow, two_layer_peers(), 2, rounds, steps);
  print_table(results, Clock::wall);
  print_peer_targets(results, Clock::wall, {1.5, 2.1, 1.5});
  results = measure(images, wide, wide_peers(), 2, rounds / 2 + 1, wide_steps);
  print_table(results, Clock::wall);
  print_floor_target(results, Clock::wall, 1.05);
}

}  // namespace

int main(int argc, char** argv) {
  return main_with_counts(argc, argv, {{"rounds", 40}, {"steps", 50}}, run);
}
