// Assignment 2 on all of CIFAR-10: how long until its first step, and how much memory it takes.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "bench/support/child.h"
#include "bench/support/clock.h"
#include "bench/support/contender.h"
#include "bench/support/options.h"
#include "bench/support/report.h"
#include "data/cifar10.h"

namespace {

using namespace tapegrad;
using namespace tapegrad::bench;

constexpr double megabyte = 1e6;

struct Start {
  double seconds;    // until the first step
  double megabytes;  // at most, until the end
};

// Runs a program that prints a line with this beginning when it makes its first step.
Start measure(const std::vector<std::string>& command, const std::string& first_step) {
  const Stopwatch watch;
  Child child(command);
  while (!child.line().starts_with(first_step)) {
  }
  const double seconds = watch.wall();
  return {seconds, static_cast<double>(child.peak_memory()) / megabyte};
}

// Before its first step the program measures all 50,000 images, and says so in the row of step 0.
std::vector<std::string> our_command() {
  const auto out = std::filesystem::temp_directory_path() / "tapegrad-bench-start";
  return {OUR_PROGRAM, "--train-batches",     "5", "--cycles", "1",         "--half-cycle",
          "1000",      "--measure-per-cycle", "1", "--out",    out.string()};
}

std::vector<std::string> torch_command() {
  auto command = peer_script("pytorch_start.py");
  if (const auto folder = data::find_cifar10()) command.push_back(folder->string());
  return command;
}

// The shortest time, which others disturbed the least, and the most memory.
Start summarise(const std::vector<Start>& starts) {
  Start summary = starts.front();
  for (const Start& start : starts) {
    summary.seconds = std::min(summary.seconds, start.seconds);
    summary.megabytes = std::max(summary.megabytes, start.megabytes);
  }
  return summary;
}

void print_row(const std::string& name, const Start& start) {
  fmt::print("  {:<22} {:>18.2f} {:>11.0f} MB\n", name, start.seconds, start.megabytes);
}

void run(const Counts& counts) {
  fmt::print("{}\n", machine_description());
  std::vector<Start> ours;
  std::vector<Start> torch;
  std::string why_not;
  for (int round = 0; round < counts.at("rounds"); ++round) {
    ours.push_back(measure(our_command(), "     0 "));
    try {
      if (why_not.empty()) torch.push_back(measure(torch_command(), "first step"));
    } catch (const std::exception& error) {
      why_not = error.what();
    }
  }
  fmt::print("{}, 50,000 + 10,000 images, shortest of {} starts\n\n",
             data::find_cifar10() ? "CIFAR-10" : "synthetic images", counts.at("rounds"));
  fmt::print("  {:<22} {:>18} {:>14}\n", "", "s to first step", "peak memory");
  const Start us = summarise(ours);
  print_row("assignment2", us);
  if (torch.empty()) {
    fmt::print("  {:<22} left out: {}\n", "PyTorch", why_not);
  } else {
    print_row("PyTorch", summarise(torch));
  }
  fmt::print("\n");
  print_target("start to first step", us.seconds, Bound::at_most, 0.5, "s");
  print_target("peak memory", us.megabytes, Bound::at_most, 260, "MB");
}

}  // namespace

int main(int argc, char** argv) { return main_with_counts(argc, argv, {{"rounds", 3}}, run); }
