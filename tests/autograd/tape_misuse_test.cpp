// Everything that throws instead of giving wrong derivatives.
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Message;

TEST_CASE("tape: a loss that is not a single number is refused") {
  const Tensor<double> a({2, 3}, 1);
  Tape<double> tape;
  CHECK_THROWS_MATCHES(
      tape.backward(exp(tape.variable(a))), GradError,
      Message("backward: the loss (exp) has shape [2, 3], but must be a single number; take its "
              "sum or mean"));
  const Tensor<double> none({0}, 1);
  CHECK_THROWS_AS(tape.backward(tape.variable(none)), GradError);
}

TEST_CASE("tape: a loss of shape [1, 1] is a single number") {
  const Tensor<double> a({1, 1}, 4);
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  tape.backward(sqrt(x));
  CHECK(tape.gradient(x)[0] == 0.25);
}

TEST_CASE("tape: backward twice throws") {
  const Tensor<double> a({2}, 1);
  Tape<double> tape;
  const Var<double> loss = sum(tape.variable(a));
  tape.backward(loss);
  const auto text = Message("backward: this tape has already run backward; record a new one");
  CHECK_THROWS_MATCHES(tape.backward(loss), GradError, text);
  CHECK_THROWS_MATCHES(tape.backward(loss, accumulate), GradError, text);
}

TEST_CASE("tape: operands of another tape are refused, naming the op") {
  Arena one;
  Arena two;
  const Tensor<double> a({2, 2}, 1);
  Tape<double> tape(one);
  Tape<double> other(two);
  const Var<double> x = tape.variable(a);
  const Var<double> y = other.variable(a);
  CHECK_THROWS_MATCHES(
      x + y, GradError,
      Message("add: an operand belongs to another tape; compute with values of one tape only"));
  CHECK_THROWS_MATCHES(
      matmul(y, x), GradError,
      Message("matmul: an operand belongs to another tape; compute with values of one tape only"));
  CHECK_THROWS_AS(linear(x, x, sum(y, 0)), GradError);
  CHECK_THROWS_MATCHES(
      tape.backward(sum(y)), GradError,
      Message("backward: an operand belongs to another tape; compute with values of one tape "
              "only"));
  tape.backward(sum(x));
  CHECK_THROWS_MATCHES(
      tape.gradient(y), GradError,
      Message("gradient: an operand belongs to another tape; compute with values of one tape "
              "only"));
}

TEST_CASE("tape: a loss that depends on no parameter is refused") {
  const Tensor<double> a({2}, 1);
  Tape<double> tape;
  CHECK_THROWS_MATCHES(tape.backward(sum(tape.constant(a))), GradError,
                       Message("backward: the loss (sum) depends on no parameter or variable"));
  Parameter<double> p(a);
  NoGrad<double> nograd;
  CHECK_THROWS_MATCHES(
      nograd.backward(sum(nograd.parameter(p))), GradError,
      Message("backward: the loss (sum) depends on no parameter or variable: NoGrad records no "
              "derivatives"));
}

TEST_CASE("tape: all parameters frozen is a loss that depends on none") {
  Parameter<double> p(Tensor<double>({2}, 1));
  p.freeze();
  Tape<double> tape;
  CHECK_THROWS_MATCHES(
      tape.backward(sum(tape.parameter(p))), GradError,
      Message("backward: the loss (sum) depends on no parameter or variable that is not frozen"));
}

TEST_CASE("tape: a parameter written between forward and backward is refused") {
  Parameter<double> p(Tensor<double>({2, 3}, 1));
  const auto text = Message(
      "backward: a parameter of shape [2, 3] was written after it was recorded; write parameters "
      "before the forward pass or after backward");
  {
    Tape<double> tape;
    const Var<double> loss = sum(square(tape.parameter(p)));
    p.write()[0] = 2;
    CHECK_THROWS_MATCHES(tape.backward(loss), GradError, text);
    CHECK_FALSE(p.has_new_gradient());
  }
  {
    Tape<double> tape;
    const Var<double> before = tape.parameter(p);
    p.write()[0] = 3;
    const Var<double> after = tape.parameter(p);
    CHECK_THROWS_MATCHES(tape.backward(sum(before * after)), GradError, text);
  }
  p.write()[0] = 4;  // before the forward pass it is what write() is for
  Tape<double> tape;
  tape.backward(sum(square(tape.parameter(p))));
  CHECK(p.gradient()[0] == 8);
}

// Its numbers are factors of other gradients.
TEST_CASE("tape: a frozen parameter written between forward and backward is refused too") {
  Parameter<double> p(Tensor<double>({1}, 3)), q(Tensor<double>({1}, 2));
  p.freeze();
  for (const bool written : {true, false}) {
    Tape<double> tape;
    const Var<double> loss = sum(tape.parameter(p) * tape.parameter(q));
    if (written) {
      p.write()[0] = 100;
      CHECK_THROWS_AS(tape.backward(loss), GradError);
    } else {
      tape.backward(loss);
    }
  }
  CHECK(q.gradient()[0] == 100);
  CHECK_THROWS_AS(p.gradient(), GradError);
}

TEST_CASE("tape: a refused backward leaves earlier gradients as they were") {
  Parameter<double> p(Tensor<double>({2}, {3, 4}));
  {
    Tape<double> tape;
    tape.backward(sum(square(tape.parameter(p))));
  }
  Tape<double> tape;
  const Var<double> loss = sum(tape.parameter(p));
  p.write();
  CHECK_THROWS_AS(tape.backward(loss), GradError);
  CHECK(p.has_new_gradient());
  CHECK(Tensor<double>(p.gradient()) == Tensor<double>({2}, {6, 8}));
}

TEST_CASE("tape: only the innermost tape of an arena records or runs backward") {
  Arena arena;
  const Tensor<double> a({2}, 1);
  Parameter<double> p(a);
  Tape<double> outer(arena);
  const Var<double> x = outer.variable(a);
  const Var<double> loss = sum(x);
  const auto says = [](const std::string& op) {
    return Message(op +
                   ": another tape was started on this arena after this one; let it end first, or "
                   "give each tape an Arena of its own");
  };
  {
    const NoGrad<float> inner(arena);
    CHECK_THROWS_MATCHES(exp(x), GradError, says("exp"));
    CHECK_THROWS_MATCHES(outer.variable(a), GradError, says("variable"));
    CHECK_THROWS_MATCHES(outer.constant(a), GradError, says("constant"));
    CHECK_THROWS_MATCHES(outer.constant(1.0), GradError, says("constant"));
    CHECK_THROWS_MATCHES(outer.parameter(p), GradError, says("parameter"));
    CHECK_THROWS_MATCHES(outer.backward(loss), GradError, says("backward"));
    CHECK_THROWS_MATCHES(outer.scratch<double>(3), GradError, says("scratch"));
    CHECK(x.value()[1] == 1);  // reading is fine
  }
  outer.backward(loss);
  CHECK(outer.gradient(x)[0] == 1);
}

TEST_CASE("tape: a tape is not refused because of a tape on another arena") {
  Arena one;
  Arena two;
  const Tensor<double> a({2}, 1);
  Tape<double> tape(one);
  Tape<double> later(two);
  const Var<double> x = tape.variable(a);
  tape.backward(sum(x));
  CHECK(tape.gradient(x)[0] == 1);
}

TEST_CASE("tape: gradient before backward or of a constant throws") {
  const Tensor<double> a({2}, 1);
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  const Var<double> c = tape.constant(a);
  const Var<double> loss = sum(x * c);
  CHECK_THROWS_MATCHES(tape.gradient(x), GradError,
                       Message("gradient: call backward(loss) on this tape first"));
  tape.backward(loss);
  CHECK_THROWS_MATCHES(
      tape.gradient(c), GradError,
      Message("gradient: this value (constant) is a constant or depends on constants only"));
  CHECK_THROWS_MATCHES(
      tape.gradient(exp(c)), GradError,
      Message("gradient: this value (exp) is a constant or depends on constants only"));
}

TEST_CASE("tape: a gradient first asked for under an inner tape is refused, not given away") {
  Arena arena;
  const Tensor<double> a({2}, 3);
  Tape<double> outer(arena);
  const Var<double> x = outer.variable(a);
  const Var<double> unreached = x * 2.0;
  outer.backward(sum(x * 3.0));
  {
    Tape<double> inner(arena);
    CHECK_THROWS_AS(outer.gradient(unreached), GradError);
    CHECK(outer.gradient(x)[0] == 3);  // it has its numbers already
  }
  CHECK(outer.gradient(unreached)[0] == 0);
}

TEST_CASE("tape: a vjp that throws leaves no gradient for a step to use") {
  Parameter<double> p(Tensor<double>({1}, 1));
  {
    Tape<double> tape;
    tape.backward(sum(tape.parameter(p)));
  }
  CHECK(p.has_new_gradient());
  Tape<double> tape;
  const Var<double> x = tape.parameter(p);
  auto y = tape.record("throwing", x.shape(), {x});
  y.out()[0] = 1;
  const Var<double> bad = y.vjp([](View<const double>) { throw Error("no"); });
  CHECK_THROWS_AS(tape.backward(sum(bad) + sum(x)), Error);
  CHECK_FALSE(p.has_new_gradient());
  CHECK_THROWS_AS(p.gradient(), GradError);  // it may be half of one
}

TEST_CASE("tape: a value cannot be made without a tape") {
  STATIC_REQUIRE_FALSE(std::is_default_constructible_v<Var<double>>);
}
