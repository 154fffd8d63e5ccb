// Loading files, gathering batches and evaluating a whole set, beside what memory and the bare
// product allow.
#include <string.h>

#include <array>

#include "bench/support/images.h"
#include "bench/support/table.h"
#include "data/ahead_loader.h"
#include "examples/support/evaluator.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/kernels.h"

namespace {

using namespace tapegrad;
using benchmark::State;

constexpr Index batch = 100, evaluated = 10'000, features = 3072, hidden = 50, classes = 10;

const data::ImageSet& images() {
  static const data::ImageSet set = bench::load_images(5).set;
  return set;
}

const data::Standardizer& standardizer() {
  static const data::Standardizer fitted = data::Standardizer::fit(images());
  return fitted;
}

void count_bytes(State& state, Index bytes) {
  state.counters["GB/s"] = bench::giga_per_second(static_cast<double>(bytes));
}

// ---- the speed of memory: bytes read and written ----

void copy(State& state) {
  const auto& from = images().pixels;
  std::vector<std::uint8_t> to(from.size());
  for (auto _ : state) {
    memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * std::ssize(from));
}

void read_files(State& state) {
  const auto folder = data::find_cifar10();
  if (!folder) {
    state.SkipWithError("CIFAR-10 is not there");
    return;
  }
  for (auto _ : state)
    benchmark::DoNotOptimize(data::read_cifar10(*folder, std::array{1, 2, 3, 4, 5}));
  count_bytes(state, 2 * std::ssize(images().pixels));
}

// ---- batches: a byte read and a float written for each pixel ----

template <class Loader>
void next_batch(State& state) {
  Loader loader(images(), standardizer(), batch, Rng(1));
  for (auto _ : state) benchmark::DoNotOptimize(loader.next());
  count_bytes(state, batch * features * 5);
}

// ---- a set of images through a network ----

void evaluate(State& state) {
  Rng rng(1);
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(features, hidden, rng);
  net.add<nn::Relu<float>>();
  net.add<nn::Linear<float>>(hidden, classes, rng);
  const data::ImageSet set = images().first(evaluated);
  examples::Evaluator<float> evaluator(net, standardizer());
  for (auto _ : state) benchmark::DoNotOptimize(evaluator(set));
  state.counters["GFLOP/s"] =
      bench::giga_per_second(2.0 * evaluated * (features * hidden + hidden * classes));
}

void bare_product(State& state) {
  constexpr Index block = 1000;
  const Tensor<float> x({block, features}, 0.5F);
  const Tensor<float> w({hidden, features}, 0.5F);
  Tensor<float> out({block, hidden});
  for (auto _ : state) {
    for (Index i = 0; i < evaluated; i += block) {
      kernels::gemm<float>(kernels::Op::none, kernels::Op::transpose, x, w, out.view());
    }
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] = bench::giga_per_second(2.0 * evaluated * features * hidden);
}

BENCHMARK(copy)->Name("copy of 50,000 images")->Unit(benchmark::kMillisecond);
BENCHMARK(read_files)->Name("50,000 images from files")->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(next_batch, data::Loader<float>)
    ->Name("batch of 100, gathered")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(next_batch, data::AheadLoader<float>)
    ->Name("batch of 100, gathered ahead")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(evaluate)->Name("evaluation of 10,000 images")->Unit(benchmark::kMillisecond);
BENCHMARK(bare_product)->Name("  its large product alone")->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  bench::MedianTable table;
  return bench::run_benchmarks(argc, argv, table);
}
