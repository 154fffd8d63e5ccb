// Every op with numbers that are not finite planted in what it is given, computes, receives and
// passes on: the detector must name the op, the direction and the place.
#include "autograd/anomaly.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "autograd/derivatives.h"
#include "tests/autograd/ops_table.h"
#include "tests/catch.h"

using namespace tapegrad;
using namespace tapegrad::test;
using Kind = Anomaly::Kind;
using Catch::Matchers::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double bad_numbers[] = {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity};

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

Index number_of(const Node<double>& node) {
  Index number = 0;
  for (const Node<double>* at = node.previous; at != nullptr; at = at->previous) ++number;
  return number;
}

/// Writes a number into the first use of an op that has a place for it, then lets the detector
/// look. Remembers what the detector should say.
class Planter final : public TapeObserver<double> {
 public:
  Planter(std::string op, Kind kind, bool last_element, double number)
      : op_(std::move(op)), last_element_(last_element) {
    wanted.kind = kind;
    wanted.found = number;
  }

  void forward_ends(const Node<double>& node) override {
    if (wanted.kind == Kind::value) plant(node, node.value, node.shape);
    if (detector != nullptr) detector->forward_ends(node);
  }
  void backward_begins(const Node<double>& node) override {
    if (wanted.kind == Kind::received) plant(node, node.gradient, node.shape);
    if (detector != nullptr) detector->backward_begins(node);
  }
  void backward_ends(const Node<double>& node) override {
    for (int i = 0; i < node.operand_count && wanted.kind == Kind::passed; ++i) {
      const Node<double>& operand = *node.operands()[i];
      if (operand.gradient == nullptr || !plant(node, operand.gradient, operand.shape)) continue;
      wanted.operand = i;
    }
    if (detector != nullptr) detector->backward_ends(node);
  }

  AnomalyDetector<double>* detector = nullptr;
  Anomaly wanted;
  bool planted = false;

 private:
  bool plant(const Node<double>& node, double* numbers, const Shape& shape) {
    if (planted || node.op != op_ || shape.size() == 0) return false;
    planted = true;
    wanted.op = op_;
    wanted.number = number_of(node);
    wanted.shape = shape;
    wanted.element = last_element_ ? shape.size() - 1 : 0;
    numbers[wanted.element] = wanted.found;
    return true;
  }

  std::string op_;
  bool last_element_;
};

/// Remembers which op first takes the input whose numbers are at `input`.
class FirstUse final : public TapeObserver<double> {
 public:
  FirstUse(const double* input, AnomalyDetector<double>* detector)
      : detector_(detector), input_(input) {}

  void forward_ends(const Node<double>& node) override {
    for (int i = 0; i < node.operand_count && !found; ++i) {
      if (node.operands()[i]->value != input_) continue;
      found = true;
      op = node.op;
      number = number_of(node);
    }
    if (detector_ != nullptr) detector_->forward_ends(node);
  }

  bool found = false;
  std::string op;
  Index number = 0;

 private:
  AnomalyDetector<double>* detector_;
  const double* input_;
};

/// Runs the example forward and backward, watched by `observer`: what was found, if anything.
std::optional<Anomaly> run(const Example& example, const std::vector<Tensor<double>>& inputs,
                           TapeObserver<double>* observer) {
  try {
    Tape<double> tape;
    tape.observe(observer);
    std::vector<Var<double>> in;
    for (const auto& input : inputs) in.push_back(tape.variable(input));
    tape.backward(sum(example.f(in)));
    return {};
  } catch (const AnomalyError& error) {
    return error.anomaly;
  }
}

/// A mean of no numbers is NaN, the largest of none -infinity: such examples are left out.
bool is_empty(const Example& example) {
  return std::all_of(example.shapes.begin(), example.shapes.end(),
                     [](const Shape& shape) { return shape.size() == 0; });
}

bool agree(const Anomaly& a, const Anomaly& b) {
  return a.kind == b.kind && a.op == b.op && a.number == b.number && a.operand == b.operand &&
         a.shape == b.shape && a.element == b.element && same(a.found, b.found);
}

/// The sentence that a computation in double ends with.
template <class F>
std::string message_of(F compute, const ParameterList<double>& parameters = {}) {
  AnomalyDetector<double> detector(parameters);
  Tape<double> tape;
  tape.observe(&detector);
  try {
    compute(tape);
  } catch (const GradError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("anomaly: found in what any op computes, receives and passes on") {
  for (const Kind kind : {Kind::value, Kind::received, Kind::passed}) {
    for (const auto& [op, examples] : table()) {
      int cases = 0;
      for (const Example& example : examples) {
        if (is_empty(example)) continue;
        const auto inputs = random_inputs(example, 42);
        for (const bool last_element : {false, true}) {
          for (const double number : bad_numbers) {
            AnomalyDetector<double> detector;
            Planter planter(op, kind, last_element, number);
            planter.detector = &detector;
            const auto found = run(example, inputs, &planter);
            if (!planter.planted) continue;
            ++cases;
            INFO(describe(op, example));
            INFO(to_string(planter.wanted));
            REQUIRE(found.has_value());
            INFO(to_string(*found));
            CHECK(agree(*found, planter.wanted));
            CHECK(found->is_first);
          }
        }
      }
      INFO(op);
      CHECK(cases >= 6);
    }
  }
}

TEST_CASE("anomaly: found in what any op is given") {
  for (const auto& [op, examples] : table()) {
    int cases = 0;
    for (const Example& example : examples) {
      for (std::size_t k = 0; k < example.shapes.size(); ++k) {
        if (example.shapes[k].size() == 0) continue;
        for (const bool last_element : {false, true}) {
          for (const double number : bad_numbers) {
            auto inputs = random_inputs(example, 42);
            const Index element = last_element ? inputs[k].size() - 1 : 0;
            inputs[k][element] = number;
            AnomalyDetector<double> detector;
            FirstUse use(inputs[k].data(), &detector);
            const auto found = run(example, inputs, &use);
            INFO(describe(op, example));
            REQUIRE(use.found);
            REQUIRE(found.has_value());
            INFO(to_string(*found));
            CHECK(found->kind == Kind::leaf);
            CHECK((found->op == use.op && found->number == use.number));
            CHECK((found->element == element && same(found->found, number)));
            CHECK(found->holder == fmt::format("variable (number {})", k));
            ++cases;
          }
        }
      }
    }
    INFO(op);
    CHECK(cases >= 6);
  }
}

TEST_CASE("anomaly: nobody complains of finite numbers, or without a detector") {
  for (const auto& [op, examples] : table()) {
    for (const Example& example : examples) {
      if (is_empty(example)) continue;
      INFO(describe(op, example));
      auto inputs = random_inputs(example, 42);
      AnomalyDetector<double> detector;
      const auto clean = run(example, inputs, &detector);
      INFO((clean ? to_string(*clean) : ""));
      CHECK_FALSE(clean.has_value());
      for (const Kind kind : {Kind::value, Kind::received, Kind::passed}) {
        Planter unwatched(op, kind, false, infinity);
        CHECK_FALSE(run(example, inputs, &unwatched).has_value());
      }
      for (auto& input : inputs) {
        if (input.size() > 0) input[0] = infinity;
      }
      CHECK_FALSE(run(example, inputs, nullptr).has_value());
    }
  }
}

TEST_CASE("anomaly: the op where it began, by name, number and place") {
  const Tensor<double> x({2, 2}, {4, 1, 0, 9});
  CHECK(message_of([&](Tape<double>& tape) { log(shift(tape.variable(x), -1)); }) ==
        "forward: log (number 2 on the tape) gives -inf at [0, 1] of [2, 2] (element 1); its "
        "operands are finite, so it is the first to go wrong");
  CHECK(message_of([&](Tape<double>& tape) { tape.backward(sum(sqrt(tape.variable(x)))); }) ==
        "backward: sqrt (number 1 on the tape) passes to operand 0, variable (number 0), the "
        "gradient inf at [1, 0] of [2, 2] (element 2); what it was given is finite, so it is the "
        "first to go wrong");
  CHECK_THAT(message_of([&](Tape<double>& tape) { sqrt(-tape.variable(x)); }),
             Contains("forward: sqrt (number 2 on the tape) gives nan at [0, 0]"));
  CHECK(message_of([&](Tape<double>& tape) { tape.backward(sum(exp(tape.variable(x)))); }).empty());
}

TEST_CASE("anomaly: a leaf is called by its name") {
  Tensor<double> x({1, 3}, {1, 2, 3});
  Parameter<double> w(Tensor<double>(Shape{2, 3}, 1)), b(Tensor<double>(Shape{2}));
  ParameterList<double> parameters;
  parameters.add("fc.weight", w).add("fc.bias", b);
  const auto loss = [&](Tape<double>& tape) {
    const Var<double> v = tape.constant(x);
    const Var<double> weight = tape.parameter(w);
    return sum(linear(v, weight, tape.parameter(b)));
  };
  CHECK(message_of(loss, parameters).empty());
  w.write()[5] = std::nan("");
  CHECK(message_of(loss, parameters) ==
        "forward: parameter `fc.weight` (number 1), operand 1 of linear (number 3 on the tape), "
        "holds nan at [1, 2] of [2, 3] (element 5)");
  CHECK_THAT(message_of(loss), Contains("forward: parameter (number 1), operand 1 of linear"));
  w.write()[5] = 0;
  x[1] = -infinity;
  CHECK_THAT(message_of(loss), Contains("constant (number 0), operand 0 of linear"));
}

TEST_CASE("anomaly: what was recorded before the detector came is not called finite") {
  const Tensor<double> x({1}, {0});
  AnomalyDetector<double> detector;
  Tape<double> tape;
  const Var<double> early = log(tape.variable(x));
  tape.observe(&detector);
  try {
    scale(early, 2);
    FAIL("nothing was found");
  } catch (const AnomalyError& error) {
    CHECK(error.anomaly.op == "scale");
    CHECK_FALSE(error.anomaly.is_first);
  }
}

TEST_CASE("anomaly: a backward pass that is broken off leaves nothing for a step") {
  Parameter<double> w(Tensor<double>(Shape{2}, {1, 0}));
  AnomalyDetector<double> detector;
  Tape<double> tape;
  tape.observe(&detector);
  const Var<double> loss = sum(sqrt(tape.parameter(w)));
  CHECK_THROWS_AS(tape.backward(loss), AnomalyError);
  CHECK_FALSE(w.has_new_gradient());
  Tape<double> unwatched;
  unwatched.backward(sum(sqrt(unwatched.parameter(w))));
  CHECK(w.has_new_gradient());
}

TEST_CASE("anomaly: a Dual's tangent is looked at too") {
  AnomalyDetector<Dual> detector;
  const auto run = [&](Dual number) {
    Tensor<Dual> x(Shape{2}, 1);
    x[1] = number;
    Tape<Dual> tape;
    tape.observe(&detector);
    exp(tape.constant(x));
  };
  CHECK_NOTHROW(run({1, 2}));
  CHECK_THROWS_WITH(run({infinity, 2}), Contains("holds inf at [1]"));
  CHECK_THROWS_WITH(run({1, -infinity}), Contains("holds -inf at [1]"));
}

// Why operands of products need no look of their own: 0 times what is not finite is NaN, in every
// kernel, also in a training step's.
TEMPLATE_TEST_CASE("anomaly: products hide nothing behind zeros", "", float, double) {
  using T = TestType;
  const std::array<Index, 3> sizes[] = {
      {100, 3072, 50}, {100, 50, 10}, {1, 7, 3}, {33, 129, 65}, {256, 300, 200}};
  for (const auto& [n, in, out] : sizes) {
    for (const double number : bad_numbers) {
      for (const int operand : {0, 1, 2}) {
        Tensor<T> x(Shape{n, in}), w(Shape{out, in}), b(Shape{out}), wt(Shape{in, out});
        Tensor<T>& planted = operand == 0 ? x : (operand == 1 ? w : b);
        const Index element = planted.size() * 2 / 3;
        planted[element] = static_cast<T>(number);
        wt[element % wt.size()] = static_cast<T>(number);
        CAPTURE(n, in, out, number, operand);
        AnomalyDetector<T> detector;
        Tape<T> tape;
        tape.observe(&detector);
        const Var<T> v = tape.constant(x);
        CHECK_THROWS_WITH(linear(v, tape.constant(w), tape.constant(b)),
                          Contains(fmt::format("operand {} of linear", operand)));
        CHECK_THROWS_WITH(matmul(v, tape.constant(wt)), Contains("of matmul"));
      }
    }
  }
}

TEST_CASE("anomaly: what nobody watched may have gone wrong before") {
  Parameter<double> w(Tensor<double>({1}, -1.0));
  AnomalyDetector<double> detector;
  Tape<double> tape;
  const Var<double> loss = sum(sqrt(tape.parameter(w)));  // NaN already, but nobody watched
  tape.observe(&detector);
  CHECK_THROWS_WITH(tape.backward(loss),
                    Catch::Contains("an operand that nobody watched was not finite either"));
}
