#include "autograd/tape.h"

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "autograd/ops.h"
#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

Tensor<double> numbers(View<const double> view) { return Tensor<double>(view); }

/// y = x, whose vjp notes in *runs that it ran and in *fresh whether it was the first to touch x.
Var<double> noting(Var<double> x, int* runs, bool* fresh = nullptr) {
  auto y = x.tape().record("noting", x.shape(), {x});
  for (Index i = 0; i < x.shape().size(); ++i) y.out()[i] = x.value()[i];
  return y.vjp([=](View<const double> dy) {
    ++*runs;
    if (!x.needs_grad()) return;
    const Grad<double> dx = x.grad();
    if (fresh != nullptr) *fresh = dx.fresh;
    for (Index i = 0; i < dy.size(); ++i) dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + dy[i];
  });
}

template <std::size_t size, std::size_t alignment>
struct alignas(alignment) Bytes {
  unsigned char bytes[size];
};

/// Records a vjp that captures such bytes and a pointer; whether it met them as they were.
template <std::size_t size, std::size_t alignment = 1>
bool captures_arrive() {
  Bytes<size, alignment> sent;
  for (std::size_t i = 0; i < size; ++i) sent.bytes[i] = static_cast<unsigned char>(i + 1);
  const Tensor<double> a({3}, 1);
  bool arrived = false;
  bool* const report = &arrived;
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  auto y = x.tape().record("captor", Shape{}, {x});
  y.out()[0] = 1;
  const Var<double> captor = y.vjp([=](View<const double>) {
    *report = reinterpret_cast<std::uintptr_t>(sent.bytes) % alignment == 0;
    for (std::size_t i = 0; i < size; ++i) {
      *report &= sent.bytes[i] == static_cast<unsigned char>(i + 1);
    }
  });
  noting(x, nullptr);  // stands behind the captor's memory
  tape.backward(captor);
  return arrived;
}

/// Asks for one value's gradient whenever a vjp is about to run.
class Asking : public TapeObserver<double> {
 public:
  explicit Asking(Var<double> about) : about_(about) {}
  void backward_begins(const Node<double>&) override {
    answers_.push_back(about_.tape().gradient(about_)[0]);
  }
  const std::vector<double>& answers() const { return answers_; }

 private:
  Var<double> about_;
  std::vector<double> answers_;
};

}  // namespace

TEST_CASE("tape: values are computed at once, with the shapes and numbers of their operands") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  CHECK(x.value().data() == a.data());
  CHECK(numbers((x + x).value()) == Tensor<double>({2}, {2, 4}));
  CHECK(&x.tape() == &tape);
  CHECK(tape.constant(3.5).shape() == Shape{});
  CHECK(tape.constant(3.5).item() == 3.5);
}

TEST_CASE("tape: the first touch of a gradient writes, the second adds") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  int runs = 0;
  bool first = false;
  bool second = false;
  const Var<double> y = noting(x, &runs, &second);
  const Var<double> z = noting(x, &runs, &first);  // backward meets it before y
  tape.backward(sum(y + z));
  CHECK(runs == 2);
  CHECK(first);
  CHECK_FALSE(second);
  CHECK(numbers(tape.gradient(x)) == Tensor<double>({2}, {2, 2}));
}

TEST_CASE("tape: numbers of any count have room for themselves and for their gradient") {
  for (Index n = 0; n <= 20; ++n) {
    CAPTURE(n);
    Tensor<double> a({n});
    for (Index i = 0; i < n; ++i) a[i] = static_cast<double>(i + 1);
    Tape<double> tape;
    const Var<double> x = tape.variable(a);
    const Var<double> y = square(x);
    const Var<double> z = square(y);
    tape.backward(sum(z));
    for (Index i = 0; i < n; ++i) {
      CHECK(y.value()[i] == a[i] * a[i]);
      CHECK(z.value()[i] == y.value()[i] * y.value()[i]);
      CHECK(tape.gradient(z)[i] == 1);
      CHECK(tape.gradient(y)[i] == 2 * y.value()[i]);
      CHECK(tape.gradient(x)[i] == 4 * a[i] * y.value()[i]);
    }
  }
}

TEST_CASE("tape: what a vjp captures arrives, whatever its size") {
  CHECK(captures_arrive<1>());
  CHECK(captures_arrive<8>());
  CHECK(captures_arrive<16>());  // with the pointer, the most that a node holds itself
  CHECK(captures_arrive<17>());
  CHECK(captures_arrive<1000>());
  CHECK(captures_arrive<8, 8>());
  CHECK(captures_arrive<16, 16>());
  CHECK(captures_arrive<64, 64>());
}

TEST_CASE("tape: a value used several times gets the sum") {
  const Tensor<double> a(Shape{}, 3);
  {
    Tape<double> tape;
    const Var<double> x = tape.variable(a);
    tape.backward(x * x);
    CHECK(tape.gradient(x)[0] == 6);
  }
  {
    Tape<double> tape;
    const Var<double> x = tape.variable(a);
    tape.backward(x + x);
    CHECK(tape.gradient(x)[0] == 2);
  }
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  Var<double> y = x;
  for (int i = 0; i < 1000; ++i) y = y + x;
  tape.backward(y);
  CHECK(tape.gradient(x)[0] == 1001);
}

TEST_CASE("tape: gradients of values in between can be read, zeros where nothing flowed") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  const Var<double> square_x = square(x);
  const Var<double> unused = exp(x);
  const Var<double> unreached = tape.variable(a);
  const Var<double> loss = sum(scale(square_x, 5));
  tape.backward(loss);
  CHECK(numbers(tape.gradient(square_x)) == Tensor<double>({2}, {5, 5}));
  CHECK(numbers(tape.gradient(x)) == Tensor<double>({2}, {10, 20}));
  CHECK(numbers(tape.gradient(unused)) == Tensor<double>({2}, {0, 0}));
  CHECK(numbers(tape.gradient(unreached)) == Tensor<double>({2}, {0, 0}));
  CHECK(tape.gradient(loss)[0] == 1);
}

TEST_CASE("tape: asking for a gradient while backward is under way changes nothing") {
  const Tensor<double> a({2}, {0, 4});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  const Var<double> no_part_of_the_loss = log(x);  // whose vjp would make NaN of zeros
  Asking asking(no_part_of_the_loss);
  tape.observe(&asking);
  tape.backward(sum(square(x)));
  CHECK(asking.answers() == std::vector<double>{0, 0});
  CHECK(numbers(tape.gradient(x)) == Tensor<double>({2}, {0, 8}));
  CHECK(numbers(tape.gradient(no_part_of_the_loss)) == Tensor<double>({2}, {0, 0}));
}

TEST_CASE("tape: the gradient of a loss that is itself a variable is one") {
  const Tensor<double> a(Shape{}, 3);
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  tape.backward(x);
  CHECK(tape.gradient(x)[0] == 1);
}

TEST_CASE("tape: temporaries are kept until the tape ends") {
  Tape<double> tape;
  const Var<double> x = tape.variable(Tensor<double>({2}, {3, 5}));
  const Var<double> k = tape.constant(Tensor<double>({2}, {7, 11}));
  const Tensor<double> other({1000}, 1);  // where the temporaries were, if they are gone
  tape.backward(sum(x * k));
  CHECK(Tensor<double>(x.value()) == Tensor<double>({2}, {3, 5}));
  CHECK(Tensor<double>(tape.gradient(x)) == Tensor<double>({2}, {7, 11}));
}

namespace {

template <class A>
concept IsAxis = requires(Var<double> x, A axis) {
  max(x, axis);
};

}  // namespace

TEST_CASE("tape: an axis is a whole number") {
  STATIC_REQUIRE(IsAxis<int>);
  STATIC_REQUIRE(IsAxis<Index>);
  STATIC_REQUIRE_FALSE(IsAxis<double>);
  STATIC_REQUIRE_FALSE(IsAxis<float>);
  STATIC_REQUIRE_FALSE(IsAxis<bool>);
}

TEST_CASE("tape: parts in a vector are joined like those in braces") {
  Tape<double> tape;
  const Var<double> a = tape.constant(Tensor<double>({2}, {1, 2}));
  const Var<double> b = tape.constant(Tensor<double>({2}, {3, 4}));
  const std::vector<Var<double>> parts{a, b};
  CHECK(Tensor<double>(concat(parts, 0).value()) == Tensor<double>({4}, {1, 2, 3, 4}));
  CHECK(stack(parts, 0).shape() == Shape{2, 2});
}

TEST_CASE("tape: constants take no gradient and their branch is never computed") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  const Var<double> c = tape.constant(a);
  const Var<double> x = tape.variable(a);
  int runs = 0;
  const Var<double> branch = noting(c, &runs);
  CHECK_FALSE(c.needs_grad());
  CHECK_FALSE(branch.needs_grad());
  CHECK_FALSE(tape.constant(1.0).needs_grad());
  CHECK((branch + x).needs_grad());
  tape.backward(sum(branch * x));
  CHECK(runs == 0);
  CHECK(numbers(tape.gradient(x)) == a);
}

TEST_CASE("tape: the vjp of an op the loss does not depend on is not run") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  int before = 0;
  int after = 0;
  noting(x, &before);
  const Var<double> loss = sum(x);
  noting(x, &after);
  tape.backward(loss);
  CHECK(before == 0);
  CHECK(after == 0);
}

TEST_CASE("tape: an op recorded as a constant stops the gradient") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  auto recording = tape.record("stop", x.shape(), {x});
  std::copy(x.value().begin(), x.value().end(), recording.out().begin());
  const Var<double> stopped = recording.constant();
  CHECK_FALSE(stopped.needs_grad());
  tape.backward(sum(stopped * x));
  CHECK(numbers(tape.gradient(x)) == a);  // x * x would give twice that
}

TEST_CASE("tape: nodes are listed oldest first") {
  const Tensor<double> a({2}, {1, 2});
  Tape<double> tape;
  sum(exp(tape.variable(a)));
  const auto nodes = tape.nodes();
  REQUIRE(nodes.size() == 3);
  CHECK(std::string(nodes[1]->op) == "exp");
  CHECK(std::string(nodes[2]->op) == "sum");
  CHECK(nodes[2]->operands()[0] == nodes[1]);
  CHECK(nodes[1]->shape == Shape{2});
}

TEST_CASE("tape: a copied span lives as long as the tape") {
  Tape<double> tape;
  std::vector<std::int32_t> labels{1, 2, 3};
  const auto copy = tape.copy(std::span<const std::int32_t>(labels));
  labels.assign(3, 0);
  CHECK(std::vector<std::int32_t>(copy.begin(), copy.end()) == std::vector<std::int32_t>{1, 2, 3});
  CHECK(tape.copy(std::span<const std::int32_t>{}).empty());
  CHECK(tape.scratch<double>(5).size() == 5);
}

TEST_CASE("tape: labels may change after the loss was recorded") {
  const Tensor<double> x({2, 3}, {.1, .7, -.3, .2, .5, .9});
  std::vector<std::int32_t> labels{0, 2};
  const auto gradient = [&](bool change) {
    labels = {0, 2};
    Tape<double> tape;
    const Var<double> logits = tape.variable(x);
    const auto loss = softmax_cross_entropy(logits, std::span<const std::int32_t>(labels));
    if (change) labels = {1, 1};
    tape.backward(loss);
    return numbers(tape.gradient(logits));
  };
  CHECK(gradient(false) == gradient(true));
}

TEST_CASE("tape: NoGrad computes the same values and records no derivatives") {
  Parameter<double> p(Tensor<double>({2}, {1, 2}));
  Tape<double> tape;
  const Var<double> y = exp(tape.parameter(p));
  NoGrad<double> nograd;
  const Var<double> z = exp(nograd.parameter(p));
  CHECK(numbers(y.value()) == numbers(z.value()));
  CHECK(y.needs_grad());
  CHECK_FALSE(z.needs_grad());
  CHECK_FALSE(p.has_new_gradient());
}

TEST_CASE("tape: tapes nest like scopes and give their memory back") {
  Arena arena;
  const Tensor<double> a({3}, {1, 2, 3});
  Tape<double> outer(arena);
  const Var<double> x = outer.variable(a);
  const std::size_t used = arena.used();
  {
    Tape<float> inner(arena);
    CHECK(inner.constant(2.0F).item() == 2);
    CHECK(arena.used() > used);
  }
  CHECK(arena.used() == used);
  const Var<double> y = sum(square(x));
  {
    Tape<double> inner(arena);
    const Var<double> u = inner.variable(a);
    inner.backward(sum(u));
    CHECK(inner.gradient(u)[2] == 1);
  }
  outer.backward(y);
  CHECK(numbers(outer.gradient(x)) == Tensor<double>({3}, {2, 4, 6}));
}

TEST_CASE("tape: an exception in mid-forward leaves tape and arena usable") {
  Arena arena;
  const Tensor<double> a({2, 3}, 1);
  const Tensor<double> b({2, 4}, 1);
  try {
    Tape<double> tape(arena);
    const Var<double> x = exp(tape.variable(a));
    matmul(x, tape.variable(b));
    FAIL("accepted");
  } catch (const ShapeError&) {
    CHECK(arena.used() == 0);
    CHECK(arena.innermost() == nullptr);
  }
  Tape<double> tape(arena);
  const Var<double> x = tape.variable(a);
  CHECK_THROWS_AS(add(x, tape.variable(b)), ShapeError);
  CHECK_THROWS_AS(sum(x, 2), ShapeError);
  tape.backward(sum(square(x)));
  CHECK(numbers(tape.gradient(x)) == Tensor<double>({2, 3}, 2));
}

TEST_CASE("tape: item wants exactly one element") {
  const Tensor<double> a({2}, {1, 2});
  const Tensor<double> one({1, 1}, {7});
  Tape<double> tape;
  CHECK(tape.constant(one).item() == 7);
  CHECK_THROWS_MATCHES(
      exp(tape.constant(a)).item(), ShapeError,
      Catch::Matchers::Message("item: exp has shape [2], but only a value of one element is a "
                               "number"));
}

TEST_CASE("tape: independent tapes on eight threads give the same bits") {
  const Tensor<float> x = Rng(1).normal<float>({16, 20}, 1);
  const std::vector<std::int32_t> labels{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0};
  std::array<std::vector<float>, 8> results;
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      Rng rng(7);
      nn::Sequential<float> net;
      net.add<nn::Linear<float>>(20, 10, rng);
      net.add<nn::Relu<float>>();
      net.add<nn::Linear<float>>(10, 3, rng);
      optim::Sgd<float> sgd(optim::one_group(net.parameters()), optim::Constant{0.1});
      for (int i = 0; i < 20; ++i) {
        Tape<float> tape;
        tape.backward(
            softmax_cross_entropy(net(tape.constant(x)), std::span<const std::int32_t>(labels)));
        sgd.step();
      }
      for (const auto& p : net.parameters()) {
        const auto gradient = p.parameter->gradient();
        result.insert(result.end(), gradient.begin(), gradient.end());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(results[0].size() == 243);
  for (const auto& result : results) {
    CHECK(result.size() == results[0].size());
    CHECK(std::memcmp(result.data(), results[0].data(), result.size() * sizeof(float)) == 0);
  }
}
