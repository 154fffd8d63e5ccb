// The further functions and moves: what they refuse, and what they do at kinks, ties and extremes,
// in reverse mode and, as the tangent of a Dual, in forward mode.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Message;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Values of given shapes on one tape.
struct Values {
  Var<double> of(const Shape& shape) {
    tensors.emplace_back(shape, 1);
    return tape.variable(tensors.back());
  }

  std::vector<Tensor<double>> tensors;
  Tape<double> tape;
};

using Numbers = std::vector<double>;

/// f's value, its slope from the vjp and its slope from a Dual's tangent, at one number.
struct At {
  double y, slope, tangent;
};

template <class F>
At at(double x, F f) {
  const Tensor<double> in({1}, {x});
  Tape<double> tape;
  const Var<double> v = tape.variable(in);
  const Var<double> y = f(v);
  tape.backward(sum(y));
  const Tensor<Dual> dual_in({1}, {Dual(x, 1)});
  Tape<Dual> dual_tape;
  return {y.value()[0], tape.gradient(v)[0], f(dual_tape.variable(dual_in)).value()[0].tangent};
}

/// The value is y, and the slope is the same in both modes.
template <class F>
void check_at(double x, double y, double slope, F f) {
  const At found = at(x, f);
  INFO("at " << x);
  CHECK(found.y == y);
  CHECK(found.slope == slope);
  CHECK(found.tangent == slope);
}

/// The gradient of sum(f(x)), x of shape [n].
Numbers gradient(const Numbers& x, const std::function<Var<double>(Var<double>)>& f) {
  Tensor<double> in({static_cast<Index>(x.size())});
  std::copy(x.begin(), x.end(), in.begin());
  Tape<double> tape;
  const Var<double> v = tape.variable(in);
  tape.backward(sum(f(v)));
  const auto g = tape.gradient(v);
  return {g.begin(), g.end()};
}

std::span<const std::int32_t> indices(const std::vector<std::int32_t>& v) { return v; }

}  // namespace

TEST_CASE("ops: permute refuses what is no permutation") {
  Values v;
  const auto x = v.of({2, 3, 4});
  CHECK_THROWS_MATCHES(
      permute(x, {0, 1}), ShapeError,
      Message("permute: axes (0, 1) must name each of the 3 axes of [2, 3, 4] once"));
  CHECK_THROWS_MATCHES(
      permute(x, {0, 1, -2}), ShapeError,
      Message("permute: axes (0, 1, -2) must name each of the 3 axes of [2, 3, 4] once"));
  CHECK_THROWS_MATCHES(permute(x, {0, 1, 3}), ShapeError,
                       Message("permute: axis 3 is out of range for shape [2, 3, 4] (rank 3)"));
  CHECK_THROWS_AS(permute(v.of({}), {0}), ShapeError);
}

TEST_CASE("ops: slice and flip refuse what is not there") {
  Values v;
  const auto x = v.of({4, 5});
  const std::string rest = " along axis 1 of [4, 5], but must be 0 <= begin <= end <= 5";
  CHECK_THROWS_MATCHES(slice(x, 1, 2, 6), ShapeError,
                       Message("slice: begin is 2 and end is 6" + rest));
  CHECK_THROWS_MATCHES(slice(x, -1, 3, 2), ShapeError,
                       Message("slice: begin is 3 and end is 2" + rest));
  CHECK_THROWS_MATCHES(slice(x, 1, -1, 2), ShapeError,
                       Message("slice: begin is -1 and end is 2" + rest));
  CHECK_THROWS_MATCHES(slice(x, 2, 0, 1), ShapeError,
                       Message("slice: axis 2 is out of range for shape [4, 5] (rank 2)"));
  CHECK_THROWS_MATCHES(flip(x, 2), ShapeError,
                       Message("flip: axis 2 is out of range for shape [4, 5] (rank 2)"));
}

TEST_CASE("ops: concat and stack refuse parts that do not fit") {
  Values v;
  const auto a = v.of({2, 3});
  const auto b = v.of({4, 2});
  const auto c = v.of({2});
  CHECK_THROWS_MATCHES(concat(std::span<const Var<double>>(), 0), ShapeError,
                       Message("concat: needs at least one part"));
  CHECK_THROWS_MATCHES(
      concat({a, a, b}, 0), ShapeError,
      Message(
          "concat: part 2 is [4, 2] but part 0 is [2, 3]: only the sizes of axis 0 may differ"));
  CHECK_THROWS_MATCHES(
      concat({a, c}, -1), ShapeError,
      Message("concat: part 1 is [2] but part 0 is [2, 3]: only the sizes of axis 1 may differ"));
  CHECK_THROWS_MATCHES(concat({a, a}, 2), ShapeError,
                       Message("concat: axis 2 is out of range for shape [2, 3] (rank 2)"));
  CHECK_THROWS_AS(concat({v.of({}), v.of({})}, 0), ShapeError);
  CHECK_THROWS_MATCHES(stack(std::span<const Var<double>>(), 0), ShapeError,
                       Message("stack: needs at least one part"));
  CHECK_THROWS_MATCHES(stack({a, b}, 0), ShapeError,
                       Message("stack: part 1 is [4, 2] but part 0 is [2, 3]: all must be equal"));
  CHECK_THROWS_MATCHES(stack({a, a}, 3), ShapeError,
                       Message("stack: axis 3 is out of range for a result of rank 3"));
  CHECK_THROWS_MATCHES(stack({a, a}, -4), ShapeError,
                       Message("stack: axis -4 is out of range for a result of rank 3"));
  const auto full = v.of({1, 1, 1, 1, 1, 1});
  CHECK_THROWS_MATCHES(stack({full, full}, 0), ShapeError,
                       Message("stack: parts of shape [1, 1, 1, 1, 1, 1] have 6 axes, with the new "
                               "one 7, but tensors have at most 6"));
}

TEST_CASE("ops: parts of another tape are refused, wherever they stand") {
  Arena arena;
  Values v;
  const auto a = v.of({2});
  Tape<double> other(arena);
  const Tensor<double> x({2}, 1);
  const auto b = other.variable(x);
  CHECK_THROWS_AS(concat({a, a, b}, 0), GradError);
  CHECK_THROWS_AS(stack({a, a, b}, 0), GradError);
}

TEST_CASE("ops: gather_rows refuses indices outside the rows, naming them") {
  Values v;
  const auto x = v.of({4, 3});
  CHECK_THROWS_MATCHES(
      gather_rows(x, indices({0, 3, 4})), ShapeError,
      Message("gather_rows: index 4 at position 2 is outside 0..3, the rows of [4, 3]"));
  CHECK_THROWS_MATCHES(
      gather_rows(x, indices({-1})), ShapeError,
      Message("gather_rows: index -1 at position 0 is outside 0..3, the rows of [4, 3]"));
  CHECK_THROWS_MATCHES(gather_rows(v.of({}), indices({0})), ShapeError,
                       Message("gather_rows: x is a single number, but needs an axis of rows"));
}

TEST_CASE("ops: clamp and dropout refuse settings out of range") {
  Values v;
  const auto x = v.of({3});
  CHECK_THROWS_MATCHES(clamp(x, 2, 1), OptionError,
                       Message("clamp: low is 2 and high is 1, but low must be <= high"));
  CHECK_THROWS_AS(clamp(x, std::nan(""), 1), OptionError);
  CHECK_THROWS_MATCHES(dropout(x, 1, Rng(1)), OptionError,
                       Message("dropout: p is 1, but must be in [0, 1)"));
  CHECK_THROWS_MATCHES(dropout(x, -0.5, Rng(1)), OptionError,
                       Message("dropout: p is -0.5, but must be in [0, 1)"));
  CHECK_THROWS_AS(dropout(x, std::nan(""), Rng(1)), OptionError);
}

TEST_CASE("ops: slopes at the kinks are the documented ones, in both modes") {
  const auto relu_of = [](auto x) { return relu(x); };
  check_at(0, 0, 0, relu_of);
  const auto abs_of = [](auto x) { return abs(x); };
  check_at(0, 0, 0, abs_of);
  check_at(-2, 2, -1, abs_of);
  check_at(2, 2, 1, abs_of);
  const auto leaky = [](auto x) { return leaky_relu(x, 0.25); };
  check_at(0, 0, 0.25, leaky);
  check_at(-2, -0.5, 0.25, leaky);
  check_at(2, 2, 1, leaky);
  const auto clamped = [](auto x) { return clamp(x, -1, 2); };
  check_at(-1, -1, 1, clamped);
  check_at(2, 2, 1, clamped);
  check_at(0.5, 0.5, 1, clamped);
  check_at(-1.5, -1, 0, clamped);
  check_at(2.5, 2, 0, clamped);
  check_at(1e300, 1e300, 1, [](auto x) { return clamp(x, 0, infinity); });
}

TEST_CASE("ops: a tie of maximum and minimum is shared") {
  const auto with_ties = [](auto op) {
    const Tensor<double> a({3}, {1, 2, 3});
    const Tensor<double> b({3}, {2, 2, 2});
    Tape<double> tape;
    const auto x = tape.variable(a);
    const auto y = tape.variable(b);
    tape.backward(sum(op(x, y)));
    Numbers both(tape.gradient(x).begin(), tape.gradient(x).end());
    both.insert(both.end(), tape.gradient(y).begin(), tape.gradient(y).end());
    return both;
  };
  CHECK(with_ties(maximum<double>) == Numbers{0, 0.5, 1, 1, 0.5, 0});
  CHECK(with_ties(minimum<double>) == Numbers{1, 0.5, 0, 0, 0.5, 1});
  const auto with_two = [](auto x) { return maximum(x, x.tape().constant(2)); };
  check_at(2, 2, 0.5, with_two);
  check_at(3, 3, 1, with_two);
  const auto at_most_two = [](auto x) { return minimum(x, x.tape().constant(2)); };
  check_at(2, 2, 0.5, at_most_two);
  check_at(3, 2, 0, at_most_two);
}

TEST_CASE("ops: a tie of max goes to the first") {
  const auto all = [](Var<double> x) { return max(x); };
  CHECK(gradient({1, 3, 3, 2}, all) == Numbers{0, 1, 0, 0});
  CHECK(gradient({-infinity, -infinity}, all) == Numbers{1, 0});
  const auto columns = [](Var<double> x) { return max(reshape(x, {2, 2}), 0); };
  CHECK(gradient({5, 1, 5, 2}, columns) == Numbers{1, 0, 0, 1});
  const auto rows = [](Var<double> x) { return max(reshape(x, {2, 2}), 1); };
  CHECK(gradient({5, 5, 1, 2}, rows) == Numbers{1, 0, 0, 1});
  const double nan = std::nan("");
  CHECK(gradient({1, nan, 3, nan}, all) == Numbers{0, 1, 0, 0});
}

TEST_CASE("ops: powers of zero and of negative numbers") {
  const auto power = [](double k) { return [k](auto x) { return pow(x, k); }; };
  check_at(0, 1, 0, power(0));
  check_at(0, 0, 1, power(1));
  check_at(0, 0, 0, power(2));
  check_at(-2, -8, 12, power(3));
  check_at(-2, 0.25, 0.25, power(-2));
  CHECK(at(0, power(0.5)).slope == infinity);
  CHECK(std::isnan(at(-2, power(0.5)).y));
  const auto by_exponent = [](double base) {
    return [base](auto x) { return pow(x.tape().constant(base), x); };
  };
  check_at(0, 1, 0, by_exponent(0));
  check_at(2, 0, 0, by_exponent(0));
  check_at(0, 1, std::log(3), by_exponent(3));
  CHECK(at(2, by_exponent(-3)).y == 9);
  CHECK(std::isnan(at(2, by_exponent(-3)).slope));
}

TEST_CASE("ops: softplus, gelu and sigmoid survive large numbers, in both modes") {
  const auto plus = [](auto x) { return softplus(x); };
  check_at(1e3, 1e3, 1, plus);
  check_at(-1e3, 0, 0, plus);
  check_at(infinity, infinity, 1, plus);
  const At small = at(-40, plus);
  CHECK(!(std::abs(small.y / std::exp(-40) - 1) > 1e-14));
  CHECK(!(std::abs(small.slope / std::exp(-40) - 1) > 1e-14));
  const auto smooth = [](auto x) { return gelu(x); };
  check_at(40, 40, 1, smooth);
  check_at(-40, 0, 0, smooth);
  check_at(0, 0, 0.5, smooth);
  CHECK(at(-10, smooth).y < 0);  // not yet lost to 1 - 1
  check_at(-1e3, 0, 0, [](auto x) { return sigmoid(x); });
  check_at(1e3, 1, 0, [](auto x) { return sigmoid(x); });
}

TEST_CASE("ops: logsumexp of huge numbers and of -infinity") {
  const auto all = [](auto x) { return logsumexp(x); };
  check_at(1e300, 1e300, 1, all);
  check_at(-1e300, -1e300, 1, all);
  check_at(-infinity, -infinity, 0, all);
  CHECK(at(infinity, all).y == infinity);
  const auto f = [](Var<double> x) { return logsumexp(x); };
  CHECK(gradient({-infinity, 3, -infinity}, f) == Numbers{0, 1, 0});
  CHECK(gradient({-infinity, -infinity}, f) == Numbers{0, 0});
  CHECK(gradient({1e4, 1e4}, f) == Numbers{0.5, 0.5});
  CHECK(gradient({1e300, 1e300}, f) == Numbers{0.5, 0.5});
  const auto columns = [](Var<double> x) { return logsumexp(reshape(x, {2, 2}), 0); };
  CHECK(gradient({-infinity, 7, -infinity, -infinity}, columns) == Numbers{0, 1, 0, 0});
}

TEST_CASE("ops: dropout keeps a share, scaled, and is a function of its key") {
  const Tensor<double> x({20000}, 1);
  const Tensor<float> x_float({20000}, 1);
  Tape<double> tape;
  const Var<double> v = tape.variable(x);
  const Var<double> y = dropout(v, 0.2, Rng(7));
  Index dropped = 0;
  for (const double number : y.value()) {
    CHECK((number == 0 || number == 1.25));
    dropped += number == 0;
  }
  CHECK(std::abs(static_cast<double>(dropped) - 4000) < 5 * std::sqrt(20000 * 0.2 * 0.8));
  const auto same = [](auto a, auto b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](auto p, auto q) { return (p == 0) == (q == 0); });
  };
  CHECK(same(y.value(), dropout(v, 0.2, Rng(7)).value()));
  CHECK_FALSE(same(y.value(), dropout(v, 0.2, Rng(8)).value()));
  Arena arena;
  {
    Tape<float> in_float(arena);
    CHECK(same(y.value(), dropout(in_float.variable(x_float), 0.2, Rng(7)).value()));
  }
  tape.backward(sum(y));
  CHECK(same(y.value(), tape.gradient(v)));
  CHECK(*std::max_element(tape.gradient(v).begin(), tape.gradient(v).end()) == 1.25);
}

TEST_CASE("ops: nothing dropped is the value itself") {
  check_at(-3, -3, 1, [](auto x) { return dropout(x, 0, Rng(1)); });
}

TEST_CASE("ops: moves put numbers where they should") {
  const Tensor<double> numbers({2, 3}, {1, 2, 3, 4, 5, 6});
  Tape<double> tape;
  const Var<double> x = tape.variable(numbers);
  const auto is = [](Var<double> y, const Shape& shape, const Numbers& expected) {
    return y.shape() == shape && Numbers(y.value().begin(), y.value().end()) == expected;
  };
  CHECK(is(permute(x, {1, 0}), {3, 2}, {1, 4, 2, 5, 3, 6}));
  CHECK(is(flip(x, 0), {2, 3}, {4, 5, 6, 1, 2, 3}));
  CHECK(is(flip(x, 1), {2, 3}, {3, 2, 1, 6, 5, 4}));
  CHECK(is(slice(x, 1, 1, 3), {2, 2}, {2, 3, 5, 6}));
  CHECK(is(slice(x, 0, 1, 1), {0, 3}, {}));
  CHECK(is(concat({x, slice(x, 1, 0, 1)}, 1), {2, 4}, {1, 2, 3, 1, 4, 5, 6, 4}));
  CHECK(is(stack({x, neg(x)}, 1), {2, 2, 3}, {1, 2, 3, -1, -2, -3, 4, 5, 6, -4, -5, -6}));
  CHECK(is(stack({x, neg(x)}, -1), {2, 3, 2}, {1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6}));
  CHECK(is(gather_rows(x, indices({1, 1, 0})), {3, 3}, {4, 5, 6, 4, 5, 6, 1, 2, 3}));
  CHECK(is(max(x, 0, true), {1, 3}, {4, 5, 6}));
  CHECK(is(var(x, 1), {2}, {2.0 / 3, 2.0 / 3}));
  CHECK(var(x).item() == 35.0 / 12);
}

TEST_CASE("ops: a quotient is rounded once, and so is a mean") {
  const Tensor<float> ones({41, 1}, 1);
  Tape<float> tape;
  const auto x = tape.constant(ones);
  CHECK((x * 41.0F / 41.0F).value()[0] == 1);
  CHECK((tape.constant(1e-38F) / 1e-39F).item() == 1e-38F / 1e-39F);
  CHECK(mean(x, 0).value()[0] == 1);
  CHECK(mean(x).item() == 1);
}

TEST_CASE("ops: the gradient of a bias is right after very many rows") {
  constexpr Index rows = 1 << 17;
  Parameter<float> b(Tensor<float>({3}));
  const Tensor<float> zeros({rows, 3});
  Tape<float> tape;
  tape.backward(sum(tape.parameter(b) + tape.constant(zeros)) * 0.1F);
  for (const float g : b.gradient()) CHECK(std::abs(g / (0.1F * rows) - 1) < 1e-5F);
}

TEST_CASE("ops: at numbers that are none, and around infinities, no slope comes out of nothing") {
  const double nan = std::nan("");
  CHECK(gradient({nan}, [](Var<double> x) { return clamp(x, -1, 1); })[0] == 0);
  CHECK(gradient({nan}, [](Var<double> x) { return abs(x); })[0] == 0);
  // 0 times an infinite power of a number that is almost 0
  const auto to_the_0 = [](Var<double> x) { return pow(x, x.tape().constant(0.0)); };
  CHECK(gradient({1e-310, nan}, to_the_0) == Numbers{0, 0});
  const auto slopes = gradient({infinity, 800, 1}, [](Var<double> x) { return logsumexp(x, 0); });
  CHECK(std::isnan(slopes[0]));
  CHECK(slopes[1] == 0);
  CHECK(slopes[2] == 0);
}
