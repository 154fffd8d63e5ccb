// Assignment 2's training step against the matrix products it cannot do without, and against
// PyTorch. All take turns in short blocks within one run, so that whatever else the machine does
// slows all of them alike; what counts is the ratios.
#include <cblas.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>

#include "autograd/ops.h"
#include "bench/support/child.h"
#include "bench/support/report.h"
#include "data/cifar10.h"
#include "data/loader.h"
#include "data/synthetic.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"

namespace {

using namespace tapegrad;
using bench::Bound;
using bench::median;

constexpr Index batch = 100, features = 3072, hidden = 50, classes = 10;
constexpr double lambda = 0.01;
constexpr const char* usage =
    "usage: step [--data DIR | --synthetic] [--torch PYTHON] [--rounds N] [--steps N]\n"
    "  --data DIR       folder with the binary CIFAR-10 files; else $CIFAR10_DIR, else\n"
    "                   ./data/cifar-10-batches-bin, else synthetic images\n"
    "  --synthetic      synthetic images\n"
    "  --torch PYTHON   also measure PyTorch, under this interpreter\n"
    "  --rounds N       how often each takes its turn (60)\n"
    "  --steps N        steps per turn (50)\n";

struct Options {
  std::optional<std::filesystem::path> data;
  bool synthetic = false;
  std::string python;
  int rounds = 60;
  int steps = 50;
};

/// The processor time of this process. On a machine that others use too, wall time counts their
/// turns; nobody here waits for anything or has a second thread, so that undisturbed both agree.
struct Clock {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + duration(time.tv_nsec);
  }
};

double microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

// ---- those who take turns ----

class Contender {
 public:
  Contender() = default;
  virtual ~Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  /// Makes so many steps and returns the microseconds per step.
  virtual double block(int steps) = 0;
};

template <class Step>
double time_steps(int steps, Step step) {
  const auto start = Clock::now();
  for (int i = 0; i < steps; ++i) step();
  return microseconds(Clock::now() - start) / steps;
}

/// The five products of the step: two forward, two weight gradients, the hidden layer's gradient.
/// The images' own gradient is not needed, so its product is not among them.
class Products final : public Contender {
 public:
  explicit Products(View<const float> images)
      : x_(View<const float>(images.data(), {batch, features})) {}

  double block(int steps) override {
    return time_steps(steps, [this] {
      gemm(CblasNoTrans, CblasTrans, x_, w1_, h_);
      gemm(CblasNoTrans, CblasTrans, h_, w2_, y_);
      gemm(CblasTrans, CblasNoTrans, y_, h_, dw2_);
      gemm(CblasNoTrans, CblasNoTrans, y_, w2_, dh_);
      gemm(CblasTrans, CblasNoTrans, dh_, x_, dw1_);
    });
  }

 private:
  static void gemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, const Tensor<float>& a,
                   const Tensor<float>& b, Tensor<float>& out) {
    const auto side = [](const Tensor<float>& t, int axis) {
      return static_cast<int>(t.shape()[axis]);
    };
    cblas_sgemm(CblasRowMajor, op_a, op_b, side(out, 0), side(out, 1),
                side(a, op_a == CblasNoTrans ? 1 : 0), 1.0F, a.data(), side(a, 1), b.data(),
                side(b, 1), 0.0F, out.data(), side(out, 1));
  }

  Rng rng_{1};
  Tensor<float> x_;
  Tensor<float> w1_ = rng_.normal<float>({hidden, features}, 0.02);
  Tensor<float> w2_ = rng_.normal<float>({classes, hidden}, 0.14);
  Tensor<float> h_{Shape{batch, hidden}}, y_{Shape{batch, classes}}, dh_{Shape{batch, hidden}};
  Tensor<float> dw1_{Shape{hidden, features}}, dw2_{Shape{classes, hidden}};
};

/// Our step as a user writes it, with the time of its parts.
class Ours final : public Contender {
 public:
  enum Part { load, forward, backward, update, part_count };

  explicit Ours(const data::ImageSet& images, const data::Standardizer& standardizer)
      : batches_(images, standardizer, batch, Rng(1)) {
    Rng rng(2);
    net_.add<nn::Linear<float>>(features, hidden, rng);
    net_.add<nn::Relu<float>>();
    net_.add<nn::Linear<float>>(hidden, classes, rng);
    sgd_.emplace(optim::decay_matrices(net_.parameters(), 2 * lambda), optim::CyclicLr{});
  }

  double block(int steps) override {
    spent_ = {};
    const double time = time_steps(steps, [this] { step(); });
    for (std::size_t part = 0; part < part_count; ++part) {
      parts_[part].push_back(microseconds(spent_[part]) / steps);
    }
    return time;
  }

  /// Microseconds per step of one part, block by block.
  const std::vector<double>& part(Part part) const { return parts_[part]; }
  double loss() const { return loss_; }

 private:
  void step() {
    const auto start = Clock::now();
    const auto [x, y] = batches_.next();
    const auto loaded = Clock::now();
    Tape<float> tape;
    const Var loss = tapegrad::softmax_cross_entropy(net_(tape.constant(x)), y);
    const auto computed = Clock::now();
    tape.backward(loss);
    const auto differentiated = Clock::now();
    sgd_->step();
    const auto end = Clock::now();
    loss_ = static_cast<double>(loss.item());
    spent_[load] += loaded - start;
    spent_[forward] += computed - loaded;
    spent_[backward] += differentiated - computed;
    spent_[update] += end - differentiated;
  }

  data::Loader<float> batches_;
  nn::Sequential<float> net_;
  std::optional<optim::Sgd<float>> sgd_;
  double loss_ = 0;
  std::array<Clock::duration, part_count> spent_{};
  std::array<std::vector<double>, part_count> parts_;
};

/// PyTorch in a process of its own, which sleeps while others take their turn.
class Torch final : public Contender {
 public:
  Torch(const std::string& python, View<const float> images, std::span<const std::int32_t> labels)
      : peer_({python, TORCH_STEP, std::to_string(labels.size()), std::to_string(features),
               std::to_string(hidden), std::to_string(classes), std::to_string(batch),
               fmt::format("{}", lambda)}) {
    peer_.send(std::as_bytes(images.span()));
    peer_.send(std::as_bytes(labels));
    version_ = peer_.line();
    blas_file_ = peer_.line();
    blas_ = peer_.line();
  }

  double block(int steps) override {
    peer_.send(fmt::format("run {}\n", steps));
    const std::string answer = peer_.line();
    const std::size_t space = answer.find(' ');
    loss_ = std::stod(answer.substr(space));
    return std::stod(answer.substr(0, space));
  }

  double loss() const { return loss_; }
  const std::string& version() const { return version_; }
  const std::string& blas() const { return blas_; }
  bool has_our_blas() const {
    return blas_file_ == bench::blas_file() && blas_ == bench::blas_description();
  }

 private:
  bench::Child peer_;
  std::string version_, blas_file_, blas_;
  double loss_ = 0;
};

// ---- the measurement ----

using Times = std::vector<double>;

// The times of each contender, round by round. Who begins changes, so that nobody always follows
// the same one.
std::vector<Times> take_turns(const std::vector<Contender*>& contenders, const Options& options) {
  constexpr int warm_up_steps = 3;  // the one before left its own data in the caches
  std::vector<Times> times(contenders.size());
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const std::size_t turn = (i + static_cast<std::size_t>(round)) % contenders.size();
      contenders[turn]->block(warm_up_steps);
      times[turn].push_back(contenders[turn]->block(options.steps));
    }
  }
  return times;
}

double paired_ratio(const Times& a, const Times& b) {
  Times ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return median(ratios);
}

void print_row(std::string_view name, const Times& times) {
  fmt::print("  {:<34} {:>9.1f} {:>9.1f}\n", name, median(times),
             *std::min_element(times.begin(), times.end()));
}

void print_ratio(std::string_view what, const Times& a, const Times& b, Bound bound,
                 double target) {
  const double of_medians = median(a) / median(b);
  bench::print_target(fmt::format("{} (of medians {:.3f})", what, of_medians), paired_ratio(a, b),
                      bound, target, "");
}

void print_parts(const Ours& ours) {
  print_row("    next batch", ours.part(Ours::load));
  print_row("    forward", ours.part(Ours::forward));
  print_row("    backward", ours.part(Ours::backward));
  print_row("    update", ours.part(Ours::update));
}

struct Images {
  data::ImageSet set;
  std::string source;
};

Images load_images(const Options& options) {
  if (!options.synthetic) {
    if (const auto folder = data::find_cifar10(options.data)) {
      constexpr std::array batches{1};
      return {data::read_cifar10(*folder, batches), "CIFAR-10"};
    }
  }
  return {data::synthetic_images(data::cifar10_records, 1), "synthetic images"};
}

Tensor<float> standardise(const data::ImageSet& images, const data::Standardizer& standardizer) {
  Tensor<float> all({images.size(), features});
  data::gather<float>(images, standardizer, 0, all.view());
  return all;
}

std::unique_ptr<Torch> start_torch(const Options& options, View<const float> x,
                                   std::span<const std::int32_t> y) {
  if (options.python.empty()) return nullptr;
  try {
    return std::make_unique<Torch>(options.python, x, y);
  } catch (const std::exception& error) {
    fmt::print("PyTorch is not measured: {}\n", error.what());
    return nullptr;
  }
}

void print_torch(const Torch& torch) {
  fmt::print("PyTorch {}, 1 thread, its products {}\n", torch.version(),
             torch.has_our_blas() ? "by the same OpenBLAS file as ours"
                                  : fmt::format("by another BLAS: {}", torch.blas()));
}

void measure(const Options& options) {
  fmt::print("{}\n", bench::machine_description());
  const auto [images, source] = load_images(options);
  const auto standardizer = data::Standardizer::fit(images);
  const Tensor<float> x = standardise(images, standardizer);

  Products products(x);
  Ours ours(images, standardizer);
  const auto torch = start_torch(options, x, images.labels);
  if (torch) print_torch(*torch);
  fmt::print("{} {}, batch {}, {}-{}-{}, {} rounds of {} steps each\n\n", images.size(), source,
             batch, features, hidden, classes, options.rounds, options.steps);
  std::fflush(stdout);

  std::vector<Contender*> contenders{&products, &ours};
  if (torch) contenders.push_back(torch.get());
  const std::vector<Times> times = take_turns(contenders, options);

  fmt::print("  {:<34} {:>9} {:>9}\n", "us of processor time per step", "median", "min");
  print_row("the five products, bare", times[0]);
  print_row(fmt::format("ours (loss {:.2f})", ours.loss()), times[1]);
  print_parts(ours);
  if (torch) print_row(fmt::format("PyTorch (loss {:.2f})", torch->loss()), times[2]);
  fmt::print("\n");
  print_ratio("ours / products", times[1], times[0], Bound::at_most, 1.25);
  if (torch) print_ratio("PyTorch / ours", times[2], times[1], Bound::at_least, 1.4);
}

// ---- the command line ----

int to_count(std::string_view option, std::string_view text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count < 1) {
    throw std::runtime_error(fmt::format("{}: '{}' is not a count", option, text));
  }
  return count;
}

Options parse(std::span<char*> words) {
  Options options;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view option = words[i];
    if (option == "--synthetic") {
      options.synthetic = true;
      continue;
    }
    const bool known =
        option == "--data" || option == "--torch" || option == "--rounds" || option == "--steps";
    if (!known || i + 1 == words.size()) {
      throw std::runtime_error(
          fmt::format("{} '{}'\n{}", known ? "no value for" : "unknown option", option, usage));
    }
    const std::string_view value = words[++i];
    if (option == "--data") options.data = value;
    if (option == "--torch") options.python = value;
    if (option == "--rounds") options.rounds = to_count(option, value);
    if (option == "--steps") options.steps = to_count(option, value);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  if (argc == 2 && std::string_view(words[1]) == "--help") {
    fmt::print("{}", usage);
    return 0;
  }
  try {
    measure(parse(words));
  } catch (const std::exception& error) {
    fmt::print(stderr, "step: {}\n", error.what());
    return 1;
  }
}
