// The loops and products of assignment 2's training step, one by one, at that step's sizes.
#include "tensor/kernels.h"

#include <benchmark/benchmark.h>

#include <algorithm>

#include "bench/support/table.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace {

using namespace tapegrad;
using benchmark::State;
using kernels::loops;
using kernels::Op;

constexpr Index batch = 100, features = 3072, hidden = 50, classes = 10;

Tensor<float> normal(const Shape& shape) {
  Rng rng(1);
  return rng.normal<float>(shape, 1.0);
}

void count_flops(State& state, Index flops) {
  state.counters["GFLOP/s"] = bench::giga_per_second(static_cast<double>(flops));
}

void count_bytes(State& state, Index bytes) {
  state.counters["GB/s"] = bench::giga_per_second(static_cast<double>(bytes));
}

void product(State& state, Op op_a, Op op_b, const Shape& a_shape, const Shape& b_shape,
             const Shape& out_shape) {
  const Tensor<float> a = normal(a_shape);
  const Tensor<float> b = normal(b_shape);
  Tensor<float> out(out_shape);
  for (auto _ : state) {
    kernels::gemm<float>(op_a, op_b, a, b, out.view());
    benchmark::ClobberMemory();
  }
  count_flops(state, 2 * out.size() * a_shape[op_a == Op::none ? 1 : 0]);
}

void gemm_forward(State& state) {
  product(state, Op::none, Op::transpose, {batch, features}, {hidden, features}, {batch, hidden});
}

void gemm_weight_gradient(State& state) {
  product(state, Op::transpose, Op::none, {batch, hidden}, {batch, features}, {hidden, features});
}

void gemm_forward_2(State& state) {
  product(state, Op::none, Op::transpose, {batch, hidden}, {classes, hidden}, {batch, classes});
}

void gemm_weight_gradient_2(State& state) {
  product(state, Op::transpose, Op::none, {batch, classes}, {batch, hidden}, {classes, hidden});
}

void gemm_hidden_gradient(State& state) {
  product(state, Op::none, Op::none, {batch, classes}, {classes, hidden}, {batch, hidden});
}

void decode(State& state) {
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(batch * features), 77);
  const Tensor<float> scale = normal({features});
  const Tensor<float> shift = normal({features});
  Tensor<float> out({batch, features});
  for (auto _ : state) {
    for (Index i = 0; i < batch; ++i) {
      kernels::training_loops<float>().decode(features, bytes.data() + i * features, scale.data(),
                                              shift.data(), out.data() + i * features);
    }
    benchmark::ClobberMemory();
  }
  count_bytes(state, out.size() * 5);  // one byte read, one float written
}

void descend(State& state) {
  const Tensor<float> g = normal({hidden, features});
  Tensor<float> w = normal({hidden, features});
  const kernels::UpdateRule<float> rule{.lr = 1e-4F,
                                        .weight_decay = 0.02F,
                                        .momentum = 0,
                                        .gradient_scale = 1,
                                        .clip = 1e30F,
                                        .nesterov = false};
  for (auto _ : state) {
    kernels::training_loops<float>().descend(w.size(), rule, g.data(), w.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, w.size() * 12);
}

void relu(State& state) {
  const Tensor<float> x = normal({batch, hidden});
  Tensor<float> y({batch, hidden});
  for (auto _ : state) {
    loops<float>().relu(x.size(), x.data(), y.data(), true);
    benchmark::ClobberMemory();
  }
  count_bytes(state, x.size() * 8);
}

std::vector<std::int32_t> some_labels() {
  std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
  std::int32_t i = 0;
  for (std::int32_t& label : labels) label = i++ % static_cast<std::int32_t>(classes);
  return labels;
}

void softmax_cross_entropy(State& state) {
  const Tensor<float> logits = normal({batch, classes});
  const std::vector<std::int32_t> labels = some_labels();
  Tensor<float> p({batch, classes});
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        loops<float>().cross_entropy(batch, classes, logits.data(), labels.data(), p.data()));
    benchmark::ClobberMemory();
  }
  count_bytes(state, logits.size() * 8);
}

void softmax_cross_entropy_vjp(State& state) {
  const Tensor<float> p = normal({batch, classes});
  const std::vector<std::int32_t> labels = some_labels();
  Tensor<float> dx({batch, classes});
  for (auto _ : state) {
    loops<float>().cross_entropy_vjp(batch, classes, 0.01F, p.data(), labels.data(), dx.data(),
                                     true);
    benchmark::ClobberMemory();
  }
  count_bytes(state, p.size() * 8);
}

void sum(State& state) {
  const Tensor<float> x = normal({hidden, features});
  for (auto _ : state) benchmark::DoNotOptimize(loops<float>().sum(x.size(), x.data()));
  count_bytes(state, x.size() * 4);
}

void add_bias(State& state) {
  const Tensor<float> b = normal({hidden});
  Tensor<float> y({batch, hidden});
  for (auto _ : state) {
    kernels::broadcast<float>(b, y.view());
    benchmark::ClobberMemory();
  }
  count_bytes(state, y.size() * 4);
}

void bias_gradient(State& state) {
  const Tensor<float> dy = normal({batch, hidden});
  Tensor<float> db({hidden});
  for (auto _ : state) {
    kernels::sum_axis<float>(dy, 0, db.view());
    benchmark::ClobberMemory();
  }
  count_bytes(state, dy.size() * 4);
}

BENCHMARK(gemm_forward)->Name("x W1^T    [100,3072] x [50,3072]^T")->Unit(benchmark::kMicrosecond);
BENCHMARK(gemm_weight_gradient)
    ->Name("dW1       [100,50]^T x [100,3072]")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(gemm_forward_2)->Name("h W2^T    [100,50] x [10,50]^T");
BENCHMARK(gemm_weight_gradient_2)->Name("dW2       [100,10]^T x [100,50]");
BENCHMARK(gemm_hidden_gradient)->Name("dh        [100,10] x [10,50]");
BENCHMARK(decode)->Name("decode                [100,3072]")->Unit(benchmark::kMicrosecond);
BENCHMARK(descend)->Name("descend               [50,3072]")->Unit(benchmark::kMicrosecond);
BENCHMARK(sum)->Name("sum                   [50,3072]");
BENCHMARK(relu)->Name("relu                  [100,50]");
BENCHMARK(add_bias)->Name("broadcast of the bias [100,50]");
BENCHMARK(bias_gradient)->Name("gradient of the bias  [100,50]");
BENCHMARK(softmax_cross_entropy)->Name("softmax cross-entropy [100,10]");
BENCHMARK(softmax_cross_entropy_vjp)->Name("  its gradient        [100,10]");

}  // namespace

int main(int argc, char** argv) {
  bench::MedianTable table;
  return bench::run_benchmarks(argc, argv, table);
}
