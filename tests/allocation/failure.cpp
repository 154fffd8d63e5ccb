// Memory that runs out: allocation 1 fails, then 2, and so on until everything gets what it asks
// for, once by itself and once with all that follow. Whatever is under way must end with an
// exception, leak nothing and leave parameters, optimizers and files as they were.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/loader.h"
#include "data/synthetic.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "nn/state.h"
#include "optim/adam.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/allocation/replace_new.h"
#include "tests/data/temporary_folder.h"

namespace {

// ---- the heap ----

enum class Mode : bool { once, persistently };

long live = 0;  // blocks that are in use

struct {
  bool armed = false;
  Mode mode = Mode::once;
  long fails_at = 0;
  long asked = 0;
  bool failed = false;
} plan;

bool must_fail() {
  if (!plan.armed) return false;
  ++plan.asked;
  const bool fails =
      plan.mode == Mode::once ? plan.asked == plan.fails_at : plan.asked >= plan.fails_at;
  plan.failed |= fails;
  return fails;
}

}  // namespace

void* take(std::size_t bytes, std::size_t alignment) {
  if (must_fail()) return nullptr;
  void* p = nullptr;
  if (::posix_memalign(&p, alignment, std::max<std::size_t>(bytes, 1)) != 0) return nullptr;
  ++live;
  return p;
}

void give_back(void* p) noexcept {
  if (p != nullptr) --live;
  std::free(p);
}

namespace {

using namespace tapegrad;

// ---- what is tried ----

/// Something that needs memory, and a hash of all that a failure must not change.
struct Attempt {
  virtual ~Attempt() = default;
  virtual void run() = 0;
  virtual std::uint64_t state() const = 0;
};

using Make = std::function<std::unique_ptr<Attempt>()>;

/// FNV-1a.
struct Hash {
  std::uint64_t value = 14695981039346656037U;

  void add(std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) value = (value ^ static_cast<std::uint8_t>(b)) * 1099511628211U;
  }
  template <Scalar T>
  void add(const ParameterList<T>& parameters) {
    for (const auto& p : parameters) add(std::as_bytes(p.parameter->value().span()));
  }
};

/// Runs the attempt with allocation n failing: whether it ended in an exception of the right kind.
bool fails_properly(Attempt& attempt, long n, Mode mode, std::string& complaint) {
  plan = {.armed = true, .mode = mode, .fails_at = n};
  try {
    attempt.run();
    plan.armed = false;
  } catch (const std::bad_alloc&) {
    plan.armed = false;
    return true;
  } catch (const Error&) {
    plan.armed = false;
    return true;
  } catch (const std::exception& error) {
    plan.armed = false;
    complaint = fmt::format("ended in an untyped exception: {}", error.what());
  }
  return false;
}

/// What goes wrong when allocation n fails; "" when nothing does. `done`: none failed any more.
/// `undisturbed` is the state after two runs without failure.
std::string try_one(const Make& make, long n, Mode mode, std::uint64_t undisturbed, bool& done) {
  std::string complaint;
  const long live_before = live;
  {
    const auto attempt = make();
    const std::uint64_t before = attempt->state();
    const bool threw = fails_properly(*attempt, n, mode, complaint);
    done = !plan.failed;
    if (threw && attempt->state() != before) complaint = "changed the state";
    // What failed once succeeds when there is memory, and gives what it would have given.
    if (threw) attempt->run();
    attempt->run();
    if (complaint.empty() && attempt->state() != undisturbed) complaint = "spoiled a later run";
  }
  // `complaint` itself may hold a block.
  const long own = complaint.capacity() > std::string().capacity() ? 1 : 0;
  if (complaint.empty() && live - own != live_before) {
    return fmt::format("leaked {} blocks", live - own - live_before);
  }
  return complaint;
}

struct Verdict {
  long allocations = 0;
  std::vector<std::string> complaints;
};

Verdict examine(const Make& make) {
  std::uint64_t undisturbed = 0;
  {
    const auto attempt = make();
    attempt->run();
    attempt->run();
    undisturbed = attempt->state();
  }
  Verdict verdict;
  for (const Mode mode : {Mode::once, Mode::persistently}) {
    bool done = false;
    for (long n = 1; !done; ++n) {
      const std::string complaint = try_one(make, n, mode, undisturbed, done);
      if (!complaint.empty()) {
        verdict.complaints.push_back(fmt::format(
            "allocation {}{} {}", n, mode == Mode::once ? "" : " and all after it", complaint));
      }
      if (!done) ++verdict.allocations;
    }
  }
  return verdict;
}

int failures = 0;

void check(const char* what, const Make& make) {
  const Verdict verdict = examine(make);
  const bool right = verdict.complaints.empty() && verdict.allocations > 0;
  fmt::print("{}: {} ({} failing allocations)\n", right ? "ok" : "FAILED", what,
             verdict.allocations);
  for (const std::string& complaint : verdict.complaints) fmt::print("    {}\n", complaint);
  if (!right) ++failures;
}

/// The twin: a planted mistake must be complained of.
void check_noticed(const char* what, const std::string& complaint, const Make& make) {
  const Verdict verdict = examine(make);
  const bool right =
      std::any_of(verdict.complaints.begin(), verdict.complaints.end(),
                  [&](const std::string& c) { return c.find(complaint) != std::string::npos; });
  fmt::print("{}: {} is noticed\n", right ? "ok" : "FAILED", what);
  if (!right) ++failures;
}

// ---- a training step ----

void build(nn::Sequential<float>& net, std::uint64_t seed) {
  Rng rng(seed);
  net.add<nn::Linear<float>>(12, 8, rng);
  net.add<nn::Relu<float>>();
  net.add<nn::Linear<float>>(8, 3, rng);
}

constexpr std::int32_t labels[] = {0, 1, 2, 1, 0};

std::uint64_t training_state(const nn::Sequential<float>& net, Index steps) {
  Hash hash;
  hash.add(const_cast<nn::Sequential<float>&>(net).parameters());
  hash.add(std::as_bytes(std::span(&steps, 1)));
  return hash.value;
}

/// A step of a small network, its tape on an arena that has to grow.
template <class Optimizer, class... Options>
class Step final : public Attempt {
 public:
  explicit Step(int steps_before, Options... options) : x_(Rng(2).normal<float>({5, 12}, 1)) {
    build(net_, 1);
    optimizer_.emplace(optim::decay_matrices(net_.parameters(), 0.02), optim::Constant{0.05},
                       options...);
    for (int i = 0; i < steps_before; ++i) run();
  }

  void run() override {
    Arena arena(128);
    {
      Tape<float> tape(arena);
      tape.backward(softmax_cross_entropy(net_(tape.constant(x_)), std::span(labels)));
    }
    optimizer_->step();
  }

  std::uint64_t state() const override { return training_state(net_, optimizer_->steps()); }

 private:
  nn::Sequential<float> net_;
  std::optional<Optimizer> optimizer_;
  Tensor<float> x_;
};

/// A step by minimize of a layer whose weights are moved as their gradients are computed.
class Minimizing final : public Attempt {
 public:
  Minimizing() : x_(Rng(3).normal<float>({100, 1030}, 1)) {
    Rng rng(1);
    net_.add<nn::Linear<float>>(1030, 10, rng);
    optimizer_.emplace(optim::decay_matrices(net_.parameters(), 0.02), optim::Constant{0.05});
  }

  void run() override {
    Arena arena(128);
    Tape<float> tape(arena);
    optimizer_->minimize(mean(square(net_(tape.constant(x_)))));
  }

  std::uint64_t state() const override { return training_state(net_, optimizer_->steps()); }

 private:
  nn::Sequential<float> net_;
  std::optional<optim::Sgd<float>> optimizer_;
  Tensor<float> x_;
};

/// Needs memory between one half of an update and the other.
class HalfUpdating final : public optim::Optimizer<float> {
 public:
  HalfUpdating(optim::ParamGroups<float> groups, optim::Schedule schedule)
      : Optimizer(std::move(groups), std::move(schedule), {}) {}

 private:
  void update(std::size_t, Parameter<float>& parameter,
              const kernels::UpdateRule<float>& rule) override {
    const View<float> w = parameter.write();
    w[0] -= rule.lr * parameter.gradient()[0];
    const Tensor<float> copy(parameter.gradient());
    for (Index i = 1; i < w.size(); ++i) w[i] -= rule.lr * copy[i];
  }
};

/// A tape on which an op ran out of memory goes on without that op.
bool goes_on_after(long n, bool& done) {
  Parameter<float> w(Tensor<float>(Shape{5000}, 3)), other(Tensor<float>(Shape{5000}, 1));
  Arena arena(128);
  Tape<float> tape(arena);
  const Var<float> x = tape.parameter(w);
  plan = {.armed = true, .mode = Mode::once, .fails_at = n};
  try {
    sum(x * tape.parameter(other));
  } catch (const std::bad_alloc&) {
  }
  plan.armed = false;
  done = !plan.failed;
  for (const Node<float>* node : tape.nodes()) {
    if (node->value == nullptr) return false;
  }
  tape.backward(sum(square(x)));
  return w.gradient()[4999] == 6;
}

void check_going_on() {
  bool right = true, done = false;
  long n = 0;
  while (!done) right &= goes_on_after(++n, done);
  fmt::print("{}: a tape goes on after an op without memory ({} failing allocations)\n",
             right && n > 2 ? "ok" : "FAILED", n - 1);
  if (!right || n <= 2) ++failures;
}

// ---- files ----

std::uint64_t hash_of_folder(const std::filesystem::path& folder) {
  Hash hash;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry);
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const std::string name = file.filename().string();
    hash.add(std::as_bytes(std::span(name)));
    hash.add(read_file(file));
  }
  return hash.value;
}

/// A folder with a network's file in it, and another network.
class WithFile : public Attempt {
 protected:
  WithFile() {
    nn::Sequential<float> first;
    build(first, 1);
    nn::save_parameters(file_, first.parameters());
    build(net_, 2);
  }

  std::uint64_t folder_and_net() const {
    Hash hash{hash_of_folder(folder_.path())};
    hash.add(const_cast<nn::Sequential<float>&>(net_).parameters());
    return hash.value;
  }

  test::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "weights.safetensors";
  nn::Sequential<float> net_;
};

struct Save final : WithFile {
  void run() override { nn::save_parameters(file_, net_.parameters()); }
  std::uint64_t state() const override { return folder_and_net(); }
};

struct Load final : WithFile {
  void run() override { nn::load_parameters(file_, net_.parameters()); }
  std::uint64_t state() const override { return folder_and_net(); }
};

struct Read final : WithFile {
  void run() override {
    if (read_safetensors(file_).tensors.size() != 4) throw Error("half a file was read");
  }
  std::uint64_t state() const override { return folder_and_net(); }
};

/// Writes where the file is, without a temporary one.
struct CarelessSave final : WithFile {
  void run() override {
    std::FILE* file = std::fopen(file_.c_str(), "wb");
    const auto close = [](std::FILE* f) { std::fclose(f); };
    const std::unique_ptr<std::FILE, decltype(close)> closed(file, close);
    Safetensors contents;
    nn::store_parameters(contents, net_.parameters());
    const auto bytes = serialize_safetensors(contents);
    std::fwrite(bytes.data(), 1, bytes.size(), file);
  }
  std::uint64_t state() const override { return folder_and_net(); }
};

// ---- data ----

struct MakeLoader final : Attempt {
  void run() override {
    data::Loader<float> loader(images, standardizer, 10, Rng(1), data::Order::shuffled,
                               {.flip = true, .max_shift = 2});
    loader.next();
  }
  std::uint64_t state() const override {
    Hash hash;
    hash.add(std::as_bytes(std::span(images.pixels)));
    return hash.value;
  }

  data::ImageSet images = data::synthetic_images(20, 1);
  data::Standardizer standardizer = data::Standardizer::fit(images);
};

void* leaked = nullptr;

struct Leaking final : Attempt {
  void run() override {
    void* const first = ::operator new(1);
    leaked = first;
    ::operator delete(::operator new(1));  // when this throws, nobody gives back the first
    ::operator delete(first);
    leaked = nullptr;
  }
  std::uint64_t state() const override {
    if (leaked != nullptr) std::free(std::exchange(leaked, nullptr));  // but it stays counted
    return 0;
  }
};

template <class T, class... Args>
Make making(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}

}  // namespace

int main() {
  using optim::Adam, optim::AdamOptions, optim::Sgd, optim::SgdOptions;
  check("the first step with momentum and clipping",
        making<Step<Sgd<float>, SgdOptions>>(
            0, SgdOptions{.momentum = 0.9, .nesterov = true, .clip = {.norm = 0.1, .value = 0}}));
  check("a later step with momentum",
        making<Step<Sgd<float>, SgdOptions>>(3, SgdOptions{.momentum = 0.9}));
  check("the first step with AdamW",
        making<Step<Adam<float>, AdamOptions>>(0, AdamOptions{.decoupled = true}));
  check("a later step with AdamW",
        making<Step<Adam<float>, AdamOptions>>(3, AdamOptions{.decoupled = true}));
  check("a step by minimize", making<Minimizing>());
  check("saving parameters over a file", making<Save>());
  check("loading parameters", making<Load>());
  check("reading safetensors", making<Read>());
  check("a loader that augments, and its first batch", making<MakeLoader>());

  check_going_on();

  check_noticed("an update that stops half-way", "changed the state",
                making<Step<HalfUpdating>>(0));
  check_noticed("a file that is written in place", "changed the state", making<CarelessSave>());
  check_noticed("memory that is not given back", "leaked 1 blocks", making<Leaking>());
  return failures == 0 ? 0 : 1;
}
