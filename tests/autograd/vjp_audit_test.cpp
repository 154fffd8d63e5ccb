#include "autograd/vjp_audit.h"

#include <algorithm>

#include "autograd/gradcheck_report.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Contains;

namespace {

enum class Habit { right, always_adds, always_writes };

// y = 3 x
Var<double> triple(Var<double> x, Habit habit) {
  auto y = x.tape().record("triple", x.shape(), {x});
  std::transform(x.value().begin(), x.value().end(), y.out().begin(),
                 [](double number) { return 3 * number; });
  return y.vjp([=](View<const double> dy) {
    const Grad<double> dx = x.grad();
    const bool writes = habit == Habit::always_writes || (habit == Habit::right && dx.fresh);
    for (Index i = 0; i < dy.size(); ++i) dx.to[i] = (writes ? 0 : dx.to[i]) + 3 * dy[i];
  });
}

const std::vector<Tensor<double>> input{Tensor<double>({2}, {1, -2})};

GradcheckReport check(Habit habit, bool behind_another_op) {
  return gradcheck(input, [=](std::span<const Var<double>> in) {
    return triple(behind_another_op ? square(in[0]) : in[0], habit);
  });
}

}  // namespace

TEST_CASE("vjp audit: an op that always adds or always writes fails, though it is used once") {
  for (const bool behind_another_op : {false, true}) {
    CHECK(check(Habit::right, behind_another_op).passed());
    const auto adds = check(Habit::always_adds, behind_another_op);
    CHECK_FALSE(adds.passed());
    CHECK_THAT(to_string(adds), Contains("the vjp of triple (number ") &&
                                    Contains("keeps what stood, before its first touch, in the "
                                             "gradient of operand 0") &&
                                    Contains("ask Target::fresh"));
    const auto writes = check(Habit::always_writes, behind_another_op);
    CHECK_FALSE(writes.passed());
    CHECK_THAT(to_json(writes),
               Contains("loses what others have put in the gradient of operand 0"));
    for (const auto& p : writes.parameters) CHECK(p.passed());  // by chance
  }
}

TEST_CASE("vjp audit: the tape, its gradients and what was touched stay as they were") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Tape<double> tape;
  const Var<double> a = tape.parameter(p), b = tape.parameter(p);
  const Tensor<double> numbers({2}, {7, 11});
  const Var<double> x = tape.variable(numbers);
  const Var<double> inner = square(a);
  const Var<double> loss = sum(mul(inner, inner) * b + triple(x, Habit::always_writes) * a * b);
  tape.backward(loss);
  const auto all = [&] {
    std::vector<Tensor<double>> gradients;
    for (const Var<double> v : {a, x, inner}) gradients.emplace_back(tape.gradient(v));
    gradients.emplace_back(p.gradient());
    return gradients;
  };
  const auto before = all();
  const auto faults = audit_vjps(tape);
  CHECK(faults.size() == 1);
  CHECK(all() == before);
  CHECK(audit_vjps(tape) == faults);
  CHECK(p.has_new_gradient());
}

TEST_CASE("vjp audit: huge and tiny gradients do not hide an op that writes") {
  for (const double scale_by : {1e200, 1e-200}) {
    Tape<double> tape;
    const Tensor<double> one({1}, 1);
    tape.backward(scale(sum(triple(tape.variable(one), Habit::always_writes)), scale_by));
    CHECK(audit_vjps(tape).size() == 1);
  }
}

TEST_CASE("gradcheck: a vjp that takes its input for dy does not pass, wherever that is from") {
  for (const std::uint64_t seed : {1, 2}) {
    Rng rng(seed);
    const auto report =
        gradcheck({rng.normal<double>({3, 4}, 1)}, [](std::span<const Var<double>> in) {
          const Var<double> x = in[0];
          auto y = x.tape().record("identity", x.shape(), {x});
          std::copy(x.value().begin(), x.value().end(), y.out().begin());
          return y.vjp([=](View<const double>) {
            const Grad<double> dx = x.grad();
            for (Index i = 0; i < x.value().size(); ++i) {
              dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + x.value()[i];
            }
          });
        });
    CHECK_FALSE(report.passed());
  }
}

TEST_CASE("gradcheck: a cost that is another each time is refused") {
  Rng rng(1);
  Parameter<double> p(Tensor<double>({50}, 1));
  ParameterList<double> all;
  all.add("p", p);
  const auto cost = [&](Tape<double>& tape) {
    return sum(dropout(tape.parameter(p), 0.5, rng.split()));
  };
  CHECK_THROWS_WITH(gradcheck(all, cost), Contains("with dropout, call set_training(false)"));
}

TEST_CASE("tape: grad() before backward is refused") {
  Tape<double> tape;
  const Var<double> x = tape.variable(input[0]);
  CHECK_THROWS_WITH(x.grad(), Contains("it is for vjps: tape.gradient(x)"));
  tape.backward(sum(square(x)));
  CHECK(tape.gradient(x)[0] == 2);
}
