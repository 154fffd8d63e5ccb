// What an operation on one number costs in LibTorch, recorded and differentiated.
// Answers "OP LENGTH" lines with nanoseconds of processor time per operation.
#include <fmt/format.h>
#include <torch/torch.h>

#include <iostream>

#include "bench/support/clock.h"

namespace {

torch::Tensor apply(const std::string& op, const torch::Tensor& x, const torch::Tensor& p) {
  if (op == "scale") return x * 0.999F;
  if (op == "add") return x + p;
  if (op == "mul") return x * p;
  return torch::tanh(x);
}

double nanoseconds_per_op(const std::string& op, int length) {
  const tapegrad::bench::Stopwatch watch;
  const torch::Tensor p = torch::full({}, 0.999F, torch::requires_grad());
  torch::Tensor x = p;
  for (int i = 0; i < length; ++i) x = apply(op, x, p);
  x.backward();
  return watch.processor() / length * 1e9;
}

}  // namespace

int main() {
  torch::set_num_threads(1);
  fmt::print("LibTorch " TORCH_VERSION "\n");
  std::fflush(stdout);
  std::string op;
  for (int length = 0; std::cin >> op >> length;) {
    fmt::print("{}\n", nanoseconds_per_op(op, length));
    std::fflush(stdout);
  }
  return 0;
}
