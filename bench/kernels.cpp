// The loops and products of assignment 2's training step, one by one, at that step's sizes, and
// further products; the larger ones beside OpenBLAS and the processor's arithmetic limit.
#include "tensor/kernels.h"

#include <benchmark/benchmark.h>
#include <cblas.h>

#include <algorithm>
#include <numeric>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

// ---- the arithmetic limit: sums that nothing but the multiply-adds' own rate holds up ----

constexpr Index chains = 12;  // more than are under way at once, and no two alike

#if defined(__x86_64__)
[[gnu::target("avx512f")]] float multiply_add_512(Index n) {
  const __m512 x = _mm512_set1_ps(0.5F);
  __m512 sums[chains];
  for (Index c = 0; c < chains; ++c) sums[c] = _mm512_set1_ps(static_cast<float>(c));
  for (Index i = 0; i < n; ++i) {
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(x, sum, x);
  }
  for (const __m512& sum : sums) sums[0] = _mm512_add_ps(sums[0], sum);
  return _mm512_cvtss_f32(sums[0]);
}

[[gnu::target("avx2,fma")]] float multiply_add_256(Index n) {
  const __m256 x = _mm256_set1_ps(0.5F);
  __m256 sums[chains];
  for (Index c = 0; c < chains; ++c) sums[c] = _mm256_set1_ps(static_cast<float>(c));
  for (Index i = 0; i < n; ++i) {
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(x, sum, x);
  }
  for (const __m256& sum : sums) sums[0] = _mm256_add_ps(sums[0], sum);
  return _mm256_cvtss_f32(sums[0]);
}

void multiply_add(State& state, float (*run)(Index), Index lanes) {
  constexpr Index n = 10'000;
  for (auto _ : state) benchmark::DoNotOptimize(run(n));
  count_flops(state, 2 * n * chains * lanes);
}

void register_limits() {
  const auto add = [](const char* name, float (*run)(Index), Index lanes) {
    benchmark::RegisterBenchmark(name, multiply_add, run, lanes)->Unit(benchmark::kMicrosecond);
  };
  if (__builtin_cpu_supports("avx512f")) add("limit: multiply-add, 512 bits", multiply_add_512, 16);
  if (__builtin_cpu_supports("fma")) add("limit: multiply-add, 256 bits", multiply_add_256, 8);
}
#else
void register_limits() {}
#endif

// ---- products ----

// a [m, k] or its transpose, times b [k, n] or its transpose; `zeros` of a's numbers are zero.
struct Sizes {
  Op op_a, op_b;
  Index m, n, k;
  double zeros = 0;
};

void thin_out(Tensor<float>& x, double zeros) {
  Rng rng(2);
  for (float& number : x) {
    if (rng.uniform() < zeros) number = 0;
  }
}

template <class F>
void product(State& state, const Sizes& s, F multiply) {
  Tensor<float> a = normal(s.op_a == Op::none ? Shape{s.m, s.k} : Shape{s.k, s.m});
  thin_out(a, s.zeros);
  const Tensor<float> b = normal(s.op_b == Op::none ? Shape{s.k, s.n} : Shape{s.n, s.k});
  Tensor<float> out({s.m, s.n});
  for (auto _ : state) {
    multiply(a, b, out);
    benchmark::ClobberMemory();
  }
  count_flops(state, 2 * s.m * s.n * s.k);
  count_bytes(state, 4 * (a.size() + b.size() + out.size()));  // each number once
}

void gemm(State& state, Sizes s) {
  product(state, s, [&](const Tensor<float>& a, const Tensor<float>& b, Tensor<float>& out) {
    kernels::gemm<float>(s.op_a, s.op_b, a, b, out.view());
  });
}

void openblas_gemm(State& state, Sizes s) {
  openblas_set_num_threads(1);
  const auto flag = [](Op op) { return op == Op::none ? CblasNoTrans : CblasTrans; };
  const auto side = [](Index n) { return static_cast<int>(n); };
  product(state, s, [&](const Tensor<float>& a, const Tensor<float>& b, Tensor<float>& out) {
    cblas_sgemm(CblasRowMajor, flag(s.op_a), flag(s.op_b), side(s.m), side(s.n), side(s.k), 1.0F,
                a.data(), side(a.shape()[1]), b.data(), side(b.shape()[1]), 0.0F, out.data(),
                side(s.n));
  });
}

void register_products() {
  struct Row {
    const char* name;
    Sizes sizes;
  };
  const Row rows[] = {
      {"x W1^T    [100,3072] x [50,3072]^T", {Op::none, Op::transpose, batch, hidden, features}},
      {"dW1       [100,50]^T x [100,3072]", {Op::transpose, Op::none, hidden, features, batch}},
      {"  half zeros, as behind a ReLU", {Op::transpose, Op::none, hidden, features, batch, 0.5}},
      {"evaluate  [1000,3072] x [50,3072]^T", {Op::none, Op::transpose, 1000, hidden, features}},
      {"hidden    [100,3072] x [200,3072]^T", {Op::none, Op::transpose, batch, 200, features}},
      {"its dW    [100,200]^T x [100,3072]", {Op::transpose, Op::none, 200, features, batch}},
      {"MLP       [256,1024] x [1024,1024]^T", {Op::none, Op::transpose, 256, 1024, 1024}},
      {"its dW    [256,1024]^T x [256,1024]", {Op::transpose, Op::none, 1024, 1024, 256}},
      {"its dx    [256,1024] x [1024,1024]", {Op::none, Op::none, 256, 1024, 1024}},
      {"MLP's end [256,1024] x [10,1024]^T", {Op::none, Op::transpose, 256, classes, 1024}},
      {"its dW    [256,10]^T x [256,1024]", {Op::transpose, Op::none, classes, 1024, 256}},
      {"h W2^T    [100,50] x [10,50]^T", {Op::none, Op::transpose, batch, classes, hidden}},
      {"dW2       [100,10]^T x [100,50]", {Op::transpose, Op::none, classes, hidden, batch}},
      {"dh        [100,10] x [10,50]", {Op::none, Op::none, batch, hidden, classes}},
      // at the bounds of what our own are chosen for at AVX2
      {"bound     [16,128] x [5,128]^T", {Op::none, Op::transpose, 16, 5, 128}},
      {"bound     [1000,3072] x [200,3072]^T", {Op::none, Op::transpose, 1000, 200, 3072}},
      {"bound     [1000,32] x [24,32]^T", {Op::none, Op::transpose, 1000, 24, 32}},
      {"bound     [256,64] x [64,64]", {Op::none, Op::none, 256, 64, 64}},
      {"bound     [5,1024] x [1024,1024]", {Op::none, Op::none, 5, 1024, 1024}},
      {"bound     [256,1000]^T x [256,400]", {Op::transpose, Op::none, 1000, 400, 256}},
      {"bound     dW1, 0.31 of it zeros", {Op::transpose, Op::none, hidden, features, batch, 0.31}},
      // the same at AVX-512
      {"bound     [1000,384] x [40,384]^T", {Op::none, Op::transpose, 1000, 40, 384}},
      {"bound     [16,256] x [48,256]^T", {Op::none, Op::transpose, 16, 48, 256}},
      {"bound     [100,64] x [128,64]^T", {Op::none, Op::transpose, 100, 128, 64}},
      {"bound     [16,300] x [300,256]", {Op::none, Op::none, 16, 256, 300}},
      {"bound     dW1, 0.41 of it zeros", {Op::transpose, Op::none, hidden, features, batch, 0.41}},
      {"bound     [100,24]^T x [100,480]", {Op::transpose, Op::none, 24, 480, batch, 0.5}},
  };
  for (const Row& row : rows) {
    benchmark::RegisterBenchmark(row.name, gemm, row.sizes)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("  by OpenBLAS", openblas_gemm, row.sizes)
        ->Unit(benchmark::kMicrosecond);
  }
}

// ---- loops ----

// Batch after batch of images that no cache holds any more.
void decode(State& state) {
  constexpr Index count = 200 * batch;
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count * features), 77);
  const Tensor<float> scale = normal({features});
  const Tensor<float> shift = normal({features});
  Tensor<float> out({batch, features});
  std::vector<std::int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  Rng(1).permutation(order);
  std::vector<const std::uint8_t*> images;
  for (const std::int32_t i : order) images.push_back(bytes.data() + i * features);
  Index first = 0;
  for (auto _ : state) {
    kernels::training_loops<float>().decode(batch, features, images.data() + first, scale.data(),
                                            shift.data(), out.data());
    benchmark::ClobberMemory();
    first = (first + batch) % count;
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
  register_limits();
  register_products();
  bench::MedianTable table;
  return bench::run_benchmarks(argc, argv, table);
}
