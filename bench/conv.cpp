// Convolutions, forward and backward, beside PyTorch's (oneDNN), on one thread.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <sstream>

#include "autograd/ops.h"
#include "bench/support/clock.h"
#include "bench/support/contender.h"
#include "bench/support/options.h"
#include "bench/support/report.h"
#include "tensor/random.h"

namespace {

using namespace tapegrad;
using namespace tapegrad::bench;

// A kernel of 3 x 3 with padding 1, so that the picture keeps its size.
struct Shapes {
  Index images, in, side, out;
  bool first;  // of a network: the images' own gradient is not needed

  std::string text() const {
    return fmt::format("{} {} {} {} {}", images, in, side, out, first ? 1 : 0);
  }
};

constexpr std::array all_shapes{Shapes{100, 3, 32, 16, true}, Shapes{100, 16, 32, 16, false},
                                Shapes{100, 32, 16, 32, false}, Shapes{100, 64, 8, 64, false}};

struct Times {
  double forward = 0;  // microseconds
  double backward = 0;
};

class Ours {
 public:
  explicit Ours(const Shapes& shapes)
      : first_(shapes.first),
        x_(rng_.normal<float>({shapes.images, shapes.in, shapes.side, shapes.side}, 1)),
        w_(rng_.normal<float>({shapes.out, shapes.in, 3, 3}, 0.1)),
        b_(Shape{shapes.out}) {}

  Times run(int repetitions) const {
    Times times;
    for (int i = 0; i < repetitions; ++i) {
      Tape<float> tape;
      const Var x = first_ ? tape.constant(x_) : tape.variable(x_);
      const Var w = tape.variable(w_);
      const Var b = tape.variable(b_);
      const Stopwatch forward;
      const Var y = conv2d(x, w, b, {.padding = 1});
      times.forward += forward.processor() * 1e6 / repetitions;
      const Var loss = sum(y);
      const Stopwatch backward;
      tape.backward(loss);
      times.backward += backward.processor() * 1e6 / repetitions;
    }
    return times;
  }

 private:
  bool first_;
  Rng rng_{1};
  Tensor<float> x_, w_, b_;
};

// Two numbers in answer to the sizes and the repetitions.
Times run_peer(Child& peer, const Shapes& shapes, int repetitions) {
  peer.send(fmt::format("{} {}\n", shapes.text(), repetitions));
  std::istringstream answer(peer.line());
  Times times;
  answer >> times.forward >> times.backward;
  return times;
}

double median_of(const std::vector<Times>& list, double Times::*what) {
  std::vector<double> values;
  for (const Times& times : list) values.push_back(times.*what);
  return median(values);
}

void compare(const Shapes& shapes, Child* torch, const Counts& counts) {
  const Ours ours(shapes);
  const int repetitions = counts.at("repetitions");
  std::vector<Times> mine;
  std::vector<Times> theirs;
  ours.run(1);
  if (torch != nullptr) run_peer(*torch, shapes, 1);
  for (int round = 0; round < counts.at("rounds"); ++round) {
    mine.push_back(ours.run(repetitions));
    if (torch != nullptr) theirs.push_back(run_peer(*torch, shapes, repetitions));
  }
  const std::string name =
      fmt::format("[{0}, {1}, {2}, {2}] to {3}", shapes.images, shapes.in, shapes.side, shapes.out);
  for (const auto what : {&Times::forward, &Times::backward}) {
    const double us = median_of(mine, what);
    const std::string row =
        fmt::format("{} {}", name, what == &Times::forward ? "forward" : "backward");
    if (torch == nullptr) {
      fmt::print("  {:<40} {:>9.0f}\n", row, us);
      continue;
    }
    const double them = median_of(theirs, what);
    fmt::print("  {:<40} {:>9.0f} {:>9.0f}\n", row, us, them);
    print_target("  speed relative to PyTorch's", them / us, Bound::at_least, 0.8, "");
  }
}

std::unique_ptr<Child> start_torch() {
  try {
    auto child = std::make_unique<Child>(peer_script("pytorch_conv.py"));
    fmt::print("{}\n", child->line());
    return child;
  } catch (const std::exception& error) {
    fmt::print("PyTorch is left out: {}\n", error.what());
    return nullptr;
  }
}

void run(const Counts& counts) {
  fmt::print("{}\n", machine_description());
  const auto torch = start_torch();
  fmt::print("\n  {:<40} {:>9} {:>9}\n", "us of processor time, medians", "ours", "PyTorch");
  for (const Shapes& shapes : all_shapes) compare(shapes, torch.get(), counts);
}

}  // namespace

int main(int argc, char** argv) {
  return main_with_counts(argc, argv, {{"rounds", 15}, {"repetitions", 5}}, run);
}
