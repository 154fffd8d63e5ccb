#include "autograd/parameter.h"

#include <limits>

#include "autograd/ops.h"
#include "autograd/parameter_list.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Message;

namespace {

Tensor<double> gradient(const Parameter<double>& p) { return Tensor<double>(p.gradient()); }

}  // namespace

TEST_CASE("parameter: has no gradient before the first backward") {
  Parameter<double> p(Tensor<double>({2, 3}, 1));
  CHECK_FALSE(p.has_new_gradient());
  CHECK_THROWS_MATCHES(p.gradient(), GradError,
                       Message("parameter of shape [2, 3] has no gradient: no tape that recorded "
                               "it has come to the end of backward(loss)"));
  Parameter<double> none(Tensor<double>({0}));
  CHECK_THROWS_AS(none.gradient(), GradError);
}

TEST_CASE("parameter: recorded but not differentiated, it has no gradient") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Tape<double> tape;
  const Var<double> loss = sum(tape.parameter(p));
  CHECK_THROWS_AS(p.gradient(), GradError);
  tape.backward(loss);
  CHECK(gradient(p) == Tensor<double>({2}, {1, 1}));
}

TEST_CASE("parameter: used twice it has one gradient, the sum") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Tape<double> tape;
  const Var<double> a = tape.parameter(p);
  const Var<double> b = tape.parameter(p);
  tape.backward(sum(a * b + a));
  CHECK(gradient(p) == Tensor<double>({2}, {7, 11}));
  CHECK(Tensor<double>(tape.gradient(a)) == Tensor<double>(tape.gradient(b)));
}

TEST_CASE("parameter: a second backward replaces, whatever was there") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  {
    Tape<double> tape;
    tape.backward(scale(sum(tape.parameter(p)), std::numeric_limits<double>::quiet_NaN()));
  }
  CHECK(std::isnan(p.gradient()[0]));
  for (int i = 0; i < 2; ++i) {
    Tape<double> tape;
    tape.backward(sum(square(tape.parameter(p))));
    CHECK(gradient(p) == Tensor<double>({2}, {6, 10}));
  }
}

TEST_CASE("parameter: recorded but not reached, it gets zeros in place of old numbers") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Parameter<double> q(Tensor<double>({2}, {1, 1}));
  for (const bool reached : {true, false}) {
    Tape<double> tape;
    const Var<double> a = tape.parameter(p);
    const Var<double> b = tape.parameter(q);
    exp(a);  // recorded, not part of the loss
    tape.backward(reached ? sum(a * b) : sum(b));
  }
  CHECK(gradient(p) == Tensor<double>({2}, {0, 0}));
  CHECK(gradient(q) == Tensor<double>({2}, {1, 1}));
  CHECK(p.has_new_gradient());
}

TEST_CASE("parameter: not on the tape, its gradient stays") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Parameter<double> q(Tensor<double>({2}, {1, 1}));
  {
    Tape<double> tape;
    tape.backward(sum(square(tape.parameter(p))));
  }
  p.consume_gradient();
  Tape<double> tape;
  tape.backward(sum(tape.parameter(q)));
  CHECK(gradient(p) == Tensor<double>({2}, {6, 10}));
  CHECK_FALSE(p.has_new_gradient());
}

TEST_CASE("parameter: accumulate adds to a gradient that no step has consumed") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Parameter<double> q(Tensor<double>({1}, {1}));
  const auto pass = [&](double k, bool with_q, bool adding) {
    Tape<double> tape;
    Var<double> loss = scale(sum(tape.parameter(p)), k);
    if (with_q) loss = loss + scale(sum(tape.parameter(q)), k);
    adding ? tape.backward(loss, accumulate) : tape.backward(loss);
  };
  pass(1, false, true);  // nothing there yet: it writes
  CHECK(gradient(p) == Tensor<double>({2}, {1, 1}));
  pass(10, true, true);
  CHECK(gradient(p) == Tensor<double>({2}, {11, 11}));
  CHECK(gradient(q) == Tensor<double>({1}, {10}));
  pass(100, false, true);
  CHECK(gradient(p) == Tensor<double>({2}, {111, 111}));
  CHECK(gradient(q) == Tensor<double>({1}, {10}));
  p.consume_gradient();
  pass(1000, true, true);
  CHECK(gradient(p) == Tensor<double>({2}, {1000, 1000}));
  CHECK(gradient(q) == Tensor<double>({1}, {1010}));
  pass(1, true, false);
  CHECK(gradient(p) == Tensor<double>({2}, {1, 1}));
  CHECK(gradient(q) == Tensor<double>({1}, {1}));
}

TEST_CASE("parameter: accumulate leaves a recorded parameter that is not reached as it was") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Parameter<double> q(Tensor<double>({2}, {1, 1}));
  for (const bool reached : {true, false}) {
    Tape<double> tape;
    const Var<double> a = tape.parameter(p);
    const Var<double> b = tape.parameter(q);
    tape.backward(reached ? sum(a * b) : sum(b), accumulate);
  }
  CHECK(gradient(p) == Tensor<double>({2}, {1, 1}));
  CHECK(gradient(q) == Tensor<double>({2}, {4, 6}));
}

TEST_CASE("parameter: batches in parts with accumulate give the gradient of the whole") {
  const Tensor<double> x({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  Parameter<double> whole(Tensor<double>({2, 1}, {.5, -.25}));
  Parameter<double> parts(Tensor<double>({2, 1}, {.5, -.25}));
  {
    Tape<double> tape;
    tape.backward(sum(square(matmul(tape.constant(x), tape.parameter(whole)))));
  }
  for (Index half = 0; half < 2; ++half) {
    Tape<double> tape;
    const View<const double> rows(x.data() + 4 * half, {2, 2});
    tape.backward(sum(square(matmul(tape.constant(rows), tape.parameter(parts)))), accumulate);
  }
  CHECK(gradient(whole) == gradient(parts));
}

TEST_CASE("parameter: frozen it is a constant on the tapes that follow") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Parameter<double> q(Tensor<double>({2}, {1, 2}));
  p.freeze();
  CHECK(p.frozen());
  {
    Tape<double> tape;
    const Var<double> a = tape.parameter(p);
    CHECK_FALSE(a.needs_grad());
    tape.backward(sum(a * tape.parameter(q)));
  }
  CHECK(gradient(q) == Tensor<double>({2}, {3, 5}));
  CHECK_FALSE(p.has_new_gradient());
  CHECK_THROWS_AS(p.gradient(), GradError);
  p.freeze(false);
  Tape<double> tape;
  tape.backward(sum(tape.parameter(p) * tape.parameter(q)));
  CHECK(gradient(p) == Tensor<double>({2}, {1, 2}));
}

TEST_CASE("parameter: an inner tape's backward does not spoil the outer one's") {
  Arena arena;
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  Tape<double> outer(arena);
  const Var<double> loss = sum(square(outer.parameter(p)));
  {
    Tape<double> inner(arena);
    inner.backward(sum(inner.parameter(p)));
    CHECK(gradient(p) == Tensor<double>({2}, {1, 1}));
  }
  outer.backward(loss);
  CHECK(gradient(p) == Tensor<double>({2}, {6, 10}));
}

TEST_CASE("parameter: a step reads the gradient and leaves its bits alone") {
  Parameter<double> p(Tensor<double>({2}, {3, 5}));
  ParameterList<double> all;
  all.add("p", p);
  optim::Sgd<double> sgd({{all, 0.1}}, optim::Constant{0.5},
                         {.momentum = 0.9, .clip = {.norm = 1, .value = 0.5}});
  Tape<double> tape;
  tape.backward(sum(square(tape.parameter(p))));
  const double* where = p.gradient().data();
  sgd.step();
  CHECK(p.gradient().data() == where);
  CHECK(gradient(p) == Tensor<double>({2}, {6, 10}));
  CHECK_FALSE(p.has_new_gradient());
  CHECK(p.value()[0] != 3);
}

TEST_CASE("parameter list: names, tied weights and errors") {
  Parameter<double> a(Tensor<double>({2, 3}, 1));
  Parameter<double> b(Tensor<double>({4}, 1));
  ParameterList<double> all;
  all.add("a", a).add("b", b).add("again", a);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "a");
  CHECK(all[1].parameter == &b);
  CHECK(all.count() == 10);
  CHECK(&all.at("b") == &b);
  CHECK_THROWS_MATCHES(all.at("c"), FormatError,
                       Message("there is no parameter `c`; there are: a, b"));
  Parameter<double> other(Tensor<double>({4}, 1));
  CHECK_THROWS_MATCHES(all.add("b", other), FormatError, Message("two parameters are named `b`"));
  CHECK(all.size() == 2);
  all.freeze();
  CHECK((a.frozen() && b.frozen()));
  all.freeze(false);
  CHECK_FALSE((a.frozen() || b.frozen()));
}
