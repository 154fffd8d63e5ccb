// From the second step on, training allocates nothing: every way to the heap is counted. A program
// of its own, because it replaces operator new and, unless a sanitizer does so already, malloc.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <vector>

#include "data/loader.h"
#include "data/synthetic.h"
#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/pooling.h"
#include "nn/sequential.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "optim/trainer.h"
#include "tests/allocation/replace_new.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

void count() {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
}

}  // namespace

void* take(std::size_t bytes, std::size_t alignment) {
  count();
  void* p = nullptr;
  return ::posix_memalign(&p, alignment, std::max<std::size_t>(bytes, 1)) == 0 ? p : nullptr;
}

void give_back(void* p) noexcept { std::free(p); }

#if !defined(SANITIZED) && defined(__GLIBC__)
#define MALLOC_IS_COUNTED 1
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t n) {
  count();
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) {
  count();
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  count();
  return __libc_memalign(alignment, n);
}
void* memalign(std::size_t alignment, std::size_t n) {
  count();
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t n) {
  count();
  *p = __libc_memalign(alignment, n);
  return *p == nullptr ? ENOMEM : 0;
}
}
#endif

namespace {

using namespace tapegrad;

int failures = 0;

void expect(bool right, const char* what, long found) {
  fmt::print("{}: {} ({} allocations)\n", right ? "ok" : "FAILED", what, found);
  if (!right) ++failures;
}

/// The allocations between start() and stop().
void start() {
  allocations = 0;
  counting = true;
}
long stop() {
  counting = false;
  return allocations;
}

template <class F>
long count_in(F f) {
  start();
  f();
  return stop();
}

/// The net and the data of assignment 2, with three batches per epoch.
template <Scalar T, class Optimizer = optim::Sgd<T>, class Options = optim::SgdOptions>
struct Setting {
  explicit Setting(Options options = {})
      : images(data::synthetic_images(65, 1)),
        standardizer(data::Standardizer::fit(images)),
        loader(images, standardizer, 20, Rng{1}),
        optimizer(optim::decay_matrices(build(net), 0.02), optim::CyclicLr{}, options) {}

  static ParameterList<T> build(nn::Sequential<T>& net) {
    Rng rng{400};
    net.template add<nn::Linear<T>>(3072, 50, rng);
    net.template add<nn::Relu<T>>();
    net.template add<nn::Linear<T>>(50, 10, rng);
    return net.parameters();
  }

  void step() {
    const auto [x, y] = loader.next();
    Tape<T> tape;
    const Var<T> loss = softmax_cross_entropy(net(tape.constant(x)), y);
    tape.backward(loss);
    optimizer.step();
  }

  nn::Sequential<T> net;
  data::ImageSet images;
  data::Standardizer standardizer;
  data::Loader<T> loader;
  Optimizer optimizer;
};

constexpr Index last_step = 11;

template <Scalar T, class Optimizer = optim::Sgd<T>, class Options = optim::SgdOptions>
void check_plain_loop(const char* what, Options options = {}) {
  Setting<T, Optimizer, Options> setting(options);
  setting.step();
  const long found = count_in([&] {
    while (setting.optimizer.steps() < last_step) setting.step();
  });
  expect(setting.loader.epoch() == 3 && found == 0, what, found);
}

void check_trainer() {
  Setting<float> setting;
  long found = -1;
  optim::Trainer<float> trainer(setting.optimizer,
                                [&](Tape<float>& tape) {
                                  const auto [x, y] = setting.loader.next();
                                  return softmax_cross_entropy(setting.net(tape.constant(x)), y);
                                },
                                {.on_step = [&](Index step, double) {
                                  if (step == 1) start();
                                  if (step == last_step) found = stop();
                                }});
  trainer.run(last_step);
  expect(found == 0, "optim::Trainer from its second step on", found);
}

/// Convolution, pooling, normalization and dropout, with every loss.
void check_convolutional_net() {
  Rng rng{1};
  nn::Sequential<float> net;
  net.add<nn::Conv2d<float>>(2, 3, 3, rng, Conv2dOptions{.stride = 1, .padding = 1});
  net.add<nn::BatchNorm<float>>(3);
  net.add<nn::MaxPool2d<float>>(2);
  net.add<nn::AvgPool2d<float>>(2);
  net.add<nn::Flatten<float>>();
  net.add<nn::LayerNorm<float>>(12);
  net.add<nn::Dropout<float>>(0.5, rng);
  const Tensor<float> x = rng.normal<float>({6, 2, 8, 8}, 1);
  const Tensor<float> targets({6, 12}, 0.5F);
  constexpr std::int32_t label_numbers[] = {0, 1, 2, 3, 4, 5};
  const std::span<const std::int32_t> labels(label_numbers);
  const auto step = [&] {
    Tape<float> tape;
    const Var<float> y = net(tape.constant(x));
    tape.backward(softmax_cross_entropy(y, targets) + multiclass_hinge(y, labels) +
                  binary_cross_entropy_with_logits(y, targets) + mse(y, square(y)));
  };
  step();
  const long found = count_in([&] {
    for (int i = 0; i < 5; ++i) step();
  });
  expect(found == 0, "a convolutional net and every loss from the second step on", found);
}

/// The ops that keep something for their vjp, or take several operands.
void check_functions_and_moves() {
  const Tensor<float> numbers = Rng{2}.uniform<float>({4, 6}, 0.5, 2);
  constexpr std::int32_t row_numbers[] = {3, 0, 3};
  const auto step = [&] {
    Tape<float> tape;
    const Var<float> x = tape.variable(numbers);
    const Var<float> y = maximum(pow(x, clamp(x, 0, 1)), dropout(gelu(x), 0.5, Rng{3}));
    const Var<float> z =
        concat({flip(y, 0), gather_rows(y, std::span(row_numbers)), slice(y, 0, 1, 3)}, 0);
    const Var<float> w = permute(stack({z, softplus(z)}, 0), {2, 0, 1});
    tape.backward(logsumexp(w) + sum(var(w, 1)) + max(w) + sum(logsumexp(w, 0) * max(w, 0)));
  };
  step();
  const long found = count_in([&] {
    for (int i = 0; i < 5; ++i) step();
  });
  expect(found == 0, "functions, reductions and moves from the second step on", found);
}

void check_evaluation() {
  Setting<float> setting;
  const auto evaluate = [&] {
    const auto [x, y] = setting.loader.next();
    NoGrad<float> tape;
    return softmax_cross_entropy(setting.net(tape.constant(x)), y).item();
  };
  evaluate();
  double sum = 0;
  const long found = count_in([&] {
    for (int i = 0; i < 6; ++i) sum += evaluate();
  });
  expect(found == 0 && sum > 0, "evaluation without gradients", found);
}

/// Sizes at which products are our own.
void check_large_products() {
  Rng rng(3);
  nn::Linear<float> linear(3072, 50, rng);
  const Tensor<float> x = rng.normal<float>({100, 3072}, 1.0);
  const auto step = [&] {
    Tape<float> tape;
    tape.backward(sum(linear(tape.constant(x))));
  };
  step();
  const long found = count_in([&] { step(); });
  expect(found == 0, "a large layer from its second step on", found);
}

/// A step that allocates on purpose is noticed, so the zeros above mean something.
void check_that_allocations_are_counted() {
  Setting<float> setting;
  setting.step();
  const Parameter<float>& bias = *setting.net.parameters()[1].parameter;
  const long found = count_in([&] {
    setting.step();
    const Tensor<float> copy(bias.gradient());
  });
  expect(found > 0, "a gradient copied after a step is counted", found);

  static void* volatile keep = nullptr;  // so that no pair of new and delete is optimised away
  const auto each = [](const char* what, auto f) {
    const long counted = count_in([&] { keep = f(); });
    expect(counted > 0, what, counted);
  };
  struct alignas(128) Wide {
    char bytes[128];
  };
  each("new is counted", [] { return static_cast<void*>(new int); });
  ::operator delete(keep);
  each("new[] is counted", [] { return static_cast<void*>(new int[3]); });
  ::operator delete[](keep);
  each("new(nothrow) is counted", [] { return static_cast<void*>(new (std::nothrow) int); });
  ::operator delete(keep);
  each("aligned new is counted", [] { return static_cast<void*>(new Wide); });
  ::operator delete (keep, std::align_val_t{128});
#ifdef MALLOC_IS_COUNTED
  each("malloc is counted", [] { return std::malloc(3); });
  std::free(keep);
  each("calloc is counted", [] { return std::calloc(3, 3); });
  each("realloc is counted", [] { return std::realloc(keep, 1000); });
  std::free(keep);
  each("aligned_alloc is counted", [] { return std::aligned_alloc(64, 128); });
  std::free(keep);
#endif
}

}  // namespace

int main() {
  check_plain_loop<float>("a plain loop in float from its second step on");
  check_plain_loop<double>("a plain loop in double from its second step on");
  check_plain_loop<float>("with momentum and clipping",
                          {.momentum = 0.9, .nesterov = true, .clip = {.norm = 1, .value = 0.1}});
  check_plain_loop<float, optim::Adam<float>>("with AdamW", optim::AdamOptions{.decoupled = true});
  check_plain_loop<float, optim::AdaGrad<float>>("with AdaGrad",
                                                 optim::AdaGradOptions{.clip = {.norm = 1}});
  check_plain_loop<float, optim::RmsProp<float>>(
      "with RMSProp", optim::RmsPropOptions{.momentum = 0.9, .centered = true});
  check_trainer();
  check_convolutional_net();
  check_functions_and_moves();
  check_evaluation();
  check_large_products();
  check_that_allocations_are_counted();
  return failures == 0 ? 0 : 1;
}
