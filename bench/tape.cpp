// What recording costs: chains of ops on one number, where the arithmetic is next to nothing, on
// our tape, on a plain one of shared pointers, and in other libraries.
#include "autograd/tape.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <unordered_set>

#include "autograd/ops.h"
#include "bench/support/child.h"
#include "bench/support/contender.h"
#include "bench/support/report.h"
#include "bench/support/table.h"

namespace {

using namespace tapegrad;
using benchmark::State;

constexpr Index chain_length = 1000;
constexpr Index long_chain_length = 10'000'000;

// ---- the peer: a node per number, owned by whoever uses it, sorted before backward ----

struct PlainNode;
using Plain = std::shared_ptr<PlainNode>;

struct PlainNode {
  float value;
  float gradient = 0;
  std::vector<Plain> operands;
  std::function<void(const PlainNode&)> vjp = {};
};

Plain plain_leaf(float value) { return std::make_shared<PlainNode>(PlainNode{value, 0, {}}); }

Plain plain_scale(const Plain& x, float k) {
  return std::make_shared<PlainNode>(
      PlainNode{k * x->value, 0, {x}, [x = x.get(), k](const PlainNode& y) {
                  x->gradient += k * y.gradient;
                }});
}

Plain plain_tanh(const Plain& x) {
  return std::make_shared<PlainNode>(
      PlainNode{std::tanh(x->value), 0, {x}, [x = x.get()](const PlainNode& y) {
                  x->gradient += y.gradient * (1 - y.value * y.value);
                }});
}

Plain plain_add(const Plain& a, const Plain& b) {
  return std::make_shared<PlainNode>(
      PlainNode{a->value + b->value, 0, {a, b}, [a = a.get(), b = b.get()](const PlainNode& y) {
                  a->gradient += y.gradient;
                  b->gradient += y.gradient;
                }});
}

Plain plain_mul(const Plain& a, const Plain& b) {
  return std::make_shared<PlainNode>(
      PlainNode{a->value * b->value, 0, {a, b}, [a = a.get(), b = b.get()](const PlainNode& y) {
                  a->gradient += y.gradient * b->value;
                  b->gradient += y.gradient * a->value;
                }});
}

void sort_plain(PlainNode* node, std::unordered_set<PlainNode*>& seen,
                std::vector<PlainNode*>& order) {
  if (!seen.insert(node).second) return;
  for (const Plain& operand : node->operands) sort_plain(operand.get(), seen, order);
  order.push_back(node);
}

void plain_backward(const Plain& loss) {
  std::unordered_set<PlainNode*> seen;
  std::vector<PlainNode*> order;
  sort_plain(loss.get(), seen, order);
  loss->gradient = 1;
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    if ((*node)->vjp) (*node)->vjp(**node);
  }
}

// ---- other libraries, in processes of their own ----

using Libraries = std::map<std::string, std::unique_ptr<bench::Child>>;

void start_library(Libraries& libraries, const std::string& name,
                   const std::vector<std::string>& command) {
  try {
    if (!std::filesystem::exists(command[0])) throw std::runtime_error("it was not built");
    auto child = std::make_unique<bench::Child>(command);
    fmt::print("{}\n", child->line());
    libraries.emplace(name, std::move(child));
  } catch (const std::exception& error) {
    fmt::print("{} is left out: {}\n", name, error.what());
  }
}

Libraries start_libraries() {
  Libraries libraries;
  start_library(libraries, "PyTorch", bench::peer_script("pytorch_chain.py"));
  start_library(libraries, "LibTorch", {bench::peer_program("libtorch_chain")});
  start_library(libraries, "NumPy", bench::peer_script("numpy_chain.py"));
  return libraries;
}

// ---- the chains ----

using V = Var<float>;

// x is the chain so far, p the number it started with. Factors near 1 keep 1,000 of them clear of
// denormal numbers, which some processors handle slowly.
constexpr auto our_scale = [](V x, V) { return scale(x, 0.999F); };
constexpr auto our_add = [](V x, V p) { return add(x, p); };
constexpr auto our_mul = [](V x, V p) { return mul(x, p); };
constexpr auto our_tanh = [](V x, V) { return tanh(x); };
constexpr auto peer_scale = [](const Plain& x, const Plain&) { return plain_scale(x, 0.999F); };
constexpr auto peer_add = [](const Plain& x, const Plain& p) { return plain_add(x, p); };
constexpr auto peer_mul = [](const Plain& x, const Plain& p) { return plain_mul(x, p); };
constexpr auto peer_tanh = [](const Plain& x, const Plain&) { return plain_tanh(x); };

// Records the chain and runs backward; returns the bytes of arena it took.
template <class Op>
std::size_t run_chain(Arena& arena, const Tensor<float>& start, Index length, Op op) {
  Tape<float> tape(arena);
  const std::size_t before = arena.used();
  const V p = tape.variable(start);
  V x = p;
  for (Index i = 0; i < length; ++i) x = op(x, p);
  tape.backward(x);
  benchmark::DoNotOptimize(tape.gradient(p)[0]);
  return arena.used() - before;
}

enum class Memory : bool { cold, warm };

template <class Op>
void our_chain(State& state, Op op, Index length, Memory memory) {
  Arena arena;
  const Tensor<float> start({}, 0.999F);
  if (memory == Memory::warm) run_chain(arena, start, length, op);
  std::size_t bytes = 0;
  auto shortest = std::chrono::steady_clock::duration::max();  // as while no neighbour has the core
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    bytes = run_chain(arena, start, length, op);
    shortest = std::min(shortest, std::chrono::steady_clock::now() - begin);
  }
  state.counters["shortest, ns/op"] =
      std::chrono::duration<double, std::nano>(shortest).count() / static_cast<double>(length);
  state.counters["ns/op"] = bench::nanoseconds_each(static_cast<double>(length));
  state.counters["bytes/op"] = static_cast<double>(bytes) / static_cast<double>(length);
}

template <class Op>
void peer_chain(State& state, Op op) {
  for (auto _ : state) {
    const Plain p = plain_leaf(0.999F);
    Plain x = p;
    for (Index i = 0; i < chain_length; ++i) x = op(x, p);
    plain_backward(x);
    benchmark::DoNotOptimize(p->gradient);
  }
  state.counters["ns/op"] = bench::nanoseconds_each(static_cast<double>(chain_length));
}

void library_chain(State& state, bench::Child& library, const std::string& op) {
  double time = 0;
  double chains = 0;
  for (auto _ : state) {
    library.send(fmt::format("{} {}\n", op, chain_length));
    const double nanoseconds = std::stod(library.line());
    state.SetIterationTime(nanoseconds * 1e-9 * static_cast<double>(chain_length));
    time += nanoseconds;
    ++chains;
  }
  state.counters["ns/op"] = time / chains;
}

void add_library_benchmarks(const Libraries& libraries) {
  for (const char* op : {"scale", "add", "mul", "tanh"}) {
    for (const auto& [name, child] : libraries) {
      benchmark::RegisterBenchmark((std::string(op) + ", " + name).c_str(), [op,
                                                                             library = child.get()](
                                                                                State& state) {
        library_chain(state, *library, op);
      })->UseManualTime();
    }
  }
}

template <class Ours, class Peer>
void add_benchmarks(const std::string& op, Ours ours, Peer peer) {
  benchmark::RegisterBenchmark((op + ", ours").c_str(), [=](State& state) {
    our_chain(state, ours, chain_length, Memory::warm);
  });
  benchmark::RegisterBenchmark((op + ", shared_ptr").c_str(),
                               [=](State& state) { peer_chain(state, peer); });
}

// As long as a tape may have to be: nothing in it may recurse.
void add_long_benchmark(const char* name, Memory memory) {
  const auto run = [=](State& state) {
    our_chain(
        state, [](V x, V) { return scale(x, 1.0F); }, long_chain_length, memory);
  };
  benchmark::RegisterBenchmark(name, run)->Iterations(1)->Repetitions(1)->Unit(
      benchmark::kMillisecond);
}

void add_all_benchmarks() {
  add_benchmarks("scale", our_scale, peer_scale);
  add_benchmarks("add", our_add, peer_add);
  add_benchmarks("mul", our_mul, peer_mul);
  add_benchmarks("tanh", our_tanh, peer_tanh);
  add_long_benchmark("scale 10^7 times, new memory", Memory::cold);
  add_long_benchmark("scale 10^7 times, warm arena", Memory::warm);
}

void print_targets(const bench::MedianTable& table, const std::string& op) {
  const std::string ours = op + ", ours";
  const double time = table.counter(ours, "ns/op");
  if (std::isnan(time)) return;  // not selected
  // Most of tanh's time is tanh itself, which says nothing about the tape.
  if (op != "tanh") {
    bench::print_target(op + ": record and backward", time, bench::Bound::at_most, 20, "ns/op");
  }
  bench::print_target(op + ": arena", table.counter(ours, "bytes/op"), bench::Bound::at_most, 200,
                      "bytes/op");
}

void print_ratio(const bench::MedianTable& table, const std::string& op, const std::string& peer) {
  const double ratio =
      table.counter(op + ", " + peer, "ns/op") / table.counter(op + ", ours", "ns/op");
  if (std::isnan(ratio)) return;
  const std::string what = fmt::format("{}: {} / ours", op, peer);
  if (peer == "PyTorch" && op != "tanh") {
    bench::print_target(what, ratio, bench::Bound::at_least, 150, "");
  } else {
    fmt::print("  {:<44} {:>8.2f}\n", what, ratio);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Libraries libraries = start_libraries();
  add_all_benchmarks();
  add_library_benchmarks(libraries);
  bench::MedianTable table;
  const int code = bench::run_benchmarks(argc, argv, table);
  if (code != 0) return code;
  fmt::print("\n");
  for (const char* op : {"scale", "add", "mul", "tanh"}) print_targets(table, op);
  for (const char* op : {"scale", "add", "mul", "tanh"}) {
    for (const char* peer : {"shared_ptr", "PyTorch", "LibTorch", "NumPy"}) {
      print_ratio(table, op, peer);
    }
  }
  return 0;
}
