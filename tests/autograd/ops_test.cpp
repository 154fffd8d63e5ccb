// Every op against finite differences, over shapes and sharings that break sloppy vjps.
#include "autograd/ops.h"

#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "autograd/gradcheck.h"
#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

using In = std::span<const Var<double>>;
using Function = std::function<Var<double>(In)>;

/// An op applied to inputs of the given shapes.
struct Example {
  std::vector<Shape> shapes;
  Function f;
  bool positive = false;  // inputs above 0 only
};

/// Random numbers between 0.3 and 1.6 in size: away from kinks and poles.
std::vector<Tensor<double>> random_inputs(const Example& example, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Tensor<double>> inputs;
  for (const Shape& shape : example.shapes) {
    Tensor<double> x = rng.uniform<double>(shape, 0.3, 1.6);
    for (double& number : x) {
      if (!example.positive && rng.below(2) == 0) number = -number;
    }
    inputs.push_back(std::move(x));
  }
  return inputs;
}

using Unary = Var<double> (*)(Var<double>);
using Binary = Var<double> (*)(Var<double>, Var<double>);

const std::vector<Shape> any_shape = {{}, {1}, {7}, {0}, {2, 3}, {0, 4}, {1, 1, 5}, {2, 3, 2, 2}};

/// Of every shape, alone and sharing its operand.
std::vector<Example> elementwise(Unary op, bool positive = false) {
  std::vector<Example> examples;
  for (const Shape& shape : any_shape) {
    examples.push_back({{shape}, [op](In in) { return op(in[0]); }, positive});
  }
  examples.push_back({{{3, 2}}, [op](In in) { return op(in[0]) * in[0] + op(in[0]); }, positive});
  return examples;
}

std::vector<Example> broadcasting(Binary op) {
  const std::vector<std::pair<Shape, Shape>> pairs = {
      {{}, {}},         {{4}, {4}},       {{}, {2, 3}},        {{2, 3}, {}},
      {{2, 3}, {3}},    {{2, 3}, {2, 1}}, {{2, 1}, {1, 3}},    {{1}, {2, 2}},
      {{0, 3}, {1, 3}}, {{0}, {1}},       {{2, 1, 3}, {4, 1}}, {{1, 1}, {1}},
  };
  std::vector<Example> examples;
  for (const auto& [a, b] : pairs) {
    examples.push_back({{a, b}, [op](In in) { return op(in[0], in[1]); }});
  }
  examples.push_back({{{2, 3}}, [op](In in) { return op(in[0], in[0]); }});
  examples.push_back({{{2, 3}, {3}}, [op](In in) { return op(in[0], op(in[1], in[0])); }});
  return examples;
}

std::vector<Example> reducing(Unary all, Var<double> (*along)(Var<double>, int, bool)) {
  std::vector<Example> examples;
  for (const Shape& shape : any_shape) {
    if (shape.size() > 0) examples.push_back({{shape}, [all](In in) { return all(in[0]); }});
    for (int axis = -shape.rank(); axis < shape.rank(); ++axis) {
      for (const bool keep : {false, true}) {
        examples.push_back({{shape}, [=](In in) { return along(in[0], axis, keep); }});
      }
    }
  }
  examples.push_back({{{3, 2}}, [=](In in) { return all(in[0] * along(in[0], 0, false)); }});
  return examples;
}

std::vector<Example> over_classes(Unary op) {
  std::vector<Example> examples;
  for (const Shape& shape : {Shape{4, 5}, {3}, {1}, {3, 1}, {2, 2, 3}, {0, 3}, {3, 0}}) {
    examples.push_back({{shape}, [op](In in) { return op(in[0]); }});
  }
  examples.push_back({{{2, 3}}, [op](In in) { return op(scale(in[0], 4)) * in[0]; }});
  return examples;
}

std::vector<Example> products() {
  const std::vector<std::pair<Shape, Shape>> pairs = {
      {{2, 3}, {3, 4}},       {{1, 1}, {1, 1}},          {{1, 5}, {5, 1}},
      {{0, 3}, {3, 2}},       {{2, 0}, {0, 3}},          {{2, 3}, {3, 0}},
      {{3, 2, 4}, {3, 4, 2}}, {{3, 2, 4}, {4, 2}},       {{2, 4}, {3, 4, 2}},
      {{1, 2, 3}, {4, 3, 2}}, {{2, 1, 2, 3}, {3, 3, 2}}, {{0, 2, 3}, {1, 3, 2}},
  };
  std::vector<Example> examples;
  for (const auto& [a, b] : pairs) {
    examples.push_back({{a, b}, [](In in) { return matmul(in[0], in[1]); }});
  }
  examples.push_back({{{3, 3}}, [](In in) { return matmul(in[0], in[0]); }});
  examples.push_back({{{3, 2}}, [](In in) { return matmul(transpose(in[0]), in[0]); }});
  return examples;
}

std::vector<Example> linears() {
  std::vector<Example> examples;
  const std::vector<std::array<Index, 3>> sizes = {{4, 5, 3}, {1, 1, 1}, {1, 6, 2},
                                                   {0, 3, 2}, {2, 0, 3}, {2, 3, 0}};
  for (const auto [n, in, out] : sizes) {
    examples.push_back(
        {{{n, in}, {out, in}, {out}}, [](In v) { return linear(v[0], v[1], v[2]); }});
  }
  examples.push_back({{{3, 3}, {3}}, [](In v) { return linear(v[0], v[0], v[1]); }});
  examples.push_back({{{1, 4}, {1}}, [](In v) { return linear(v[0], scale(v[0], 2), v[1]); }});
  return examples;
}

std::vector<Example> cross_entropies() {
  const auto with = [](const Shape& shape, std::vector<std::int32_t> labels) {
    return Example{{shape}, [labels](In in) {
                     return softmax_cross_entropy(in[0], std::span<const std::int32_t>(labels));
                   }};
  };
  return {with({4, 5}, {0, 4, 2, 2}), with({1, 3}, {1}), with({3, 1}, {0, 0, 0}),
          Example{{{2, 3}}, [](In in) {
                    static const std::vector<std::int32_t> labels{2, 0};
                    const std::span<const std::int32_t> y(labels);
                    return softmax_cross_entropy(in[0], y) *
                           softmax_cross_entropy(scale(in[0], 2), y);
                  }}};
}

std::vector<Example> reshapes() {
  const auto to = [](const Shape& from, const Shape& shape) {
    return Example{{from}, [shape](In in) { return reshape(in[0], shape); }};
  };
  return {to({2, 6}, {3, 4}),
          to({}, {1, 1}),
          to({1, 1}, {}),
          to({4}, {2, 1, 2}),
          to({0, 3}, {5, 0}),
          Example{{{2, 2}}, [](In in) { return reshape(in[0], {4}) * reshape(in[0], {4}); }}};
}

std::vector<Example> transposes() {
  std::vector<Example> examples;
  for (const Shape& shape : {Shape{2, 5}, {1, 1}, {1, 4}, {0, 3}, {40, 33}}) {
    examples.push_back({{shape}, [](In in) { return transpose(in[0]); }});
  }
  examples.push_back({{{3, 3}}, [](In in) { return in[0] * transpose(in[0]); }});
  return examples;
}

std::vector<Example> broadcasts() {
  const auto to = [](const Shape& from, const Shape& shape) {
    return Example{{from}, [shape](In in) { return broadcast_to(in[0], shape); }};
  };
  return {to({}, {2, 3}),
          to({3}, {2, 3}),
          to({2, 1}, {2, 3}),
          to({1, 3, 1}, {2, 2, 3, 2}),
          to({2, 3}, {2, 3}),
          to({1}, {0}),
          to({1, 3}, {0, 3}),
          to({}, {}),
          to({2, 1, 2}, {2, 4, 2}),
          Example{{{3, 1}}, [](In in) {
                    return broadcast_to(in[0], {3, 2}) * in[0];
                  }}};
}

/// One row per op.
const std::map<std::string, std::vector<Example>>& table() {
  static const std::map<std::string, std::vector<Example>> rows = {
      {"add", broadcasting(add)},
      {"sub", broadcasting(sub)},
      {"mul", broadcasting(mul)},
      {"div", broadcasting(div)},
      {"scale", elementwise([](Var<double> x) { return scale(x, -2.5); })},
      {"shift", elementwise([](Var<double> x) { return shift(x, 0.75); })},
      {"neg", elementwise(neg)},
      {"exp", elementwise(exp)},
      {"log", elementwise(log, true)},
      {"sqrt", elementwise(sqrt, true)},
      {"square", elementwise(square)},
      {"tanh", elementwise(tanh)},
      {"sigmoid", elementwise(sigmoid)},
      {"relu", elementwise(relu)},
      {"sum", reducing(sum, sum)},
      {"mean", reducing(mean, mean)},
      {"reshape", reshapes()},
      {"transpose", transposes()},
      {"broadcast_to", broadcasts()},
      {"matmul", products()},
      {"linear", linears()},
      {"softmax", over_classes(softmax)},
      {"log_softmax", over_classes(log_softmax)},
      {"softmax_cross_entropy", cross_entropies()},
  };
  return rows;
}

std::string describe(const std::string& op, const Example& example) {
  std::string text = op;
  for (const Shape& shape : example.shapes) text += fmt::format(" {}", to_string(shape));
  return text;
}

/// No element to difference: runs both passes and checks the gradients' shapes.
void check_empty(const Example& example) {
  const auto inputs = random_inputs(example, 1);
  Tape<double> tape;
  std::vector<Var<double>> in;
  for (const auto& input : inputs) in.push_back(tape.variable(input));
  const Var<double> loss = sum(example.f(in));
  tape.backward(loss);
  for (std::size_t i = 0; i < in.size(); ++i) {
    CHECK(tape.gradient(in[i]).shape() == example.shapes[i]);
  }
}

/// The names of all functions that ops.h declares as differentiable, operators apart.
std::set<std::string> declared_ops() {
  std::ifstream header(TAPEGRAD_SOURCE_DIR "/autograd/ops.h");
  std::stringstream text;
  text << header.rdbuf();
  const std::string all = text.str();
  const std::regex declaration(R"(\nVar<T>\s+(\w+)\()");
  std::set<std::string> names;
  for (std::sregex_iterator it(all.begin(), all.end(), declaration), end; it != end; ++it) {
    names.insert((*it)[1]);
  }
  names.erase("operator");
  return names;
}

}  // namespace

TEST_CASE("ops: every op declared in ops.h has a row") {
  const auto declared = declared_ops();
  std::set<std::string> rows;
  for (const auto& [op, examples] : table()) rows.insert(op);
  CHECK(declared.size() >= 24);
  CHECK(declared == rows);
}

TEST_CASE("ops: gradients agree with finite differences in every example") {
  int checked = 0;
  int empty = 0;
  for (const auto& [op, examples] : table()) {
    for (const auto& example : examples) {
      INFO(describe(op, example));
      Index elements = 0;
      for (const Shape& shape : example.shapes) elements += shape.size();
      if (elements == 0) {
        check_empty(example);
        ++empty;
        continue;
      }
      const auto report = gradcheck(random_inputs(example, 42), example.f);
      INFO(to_string(report));
      CHECK(report.passed());
      for (const auto& p : report.parameters) CHECK(p.compared == p.shape.size());
      ++checked;
    }
  }
  INFO(fmt::format("{} examples differenced, {} empty", checked, empty));
  CHECK(checked > 250);
  CHECK(empty > 40);
}

TEST_CASE("ops: float gives what double gives") {
  const Tensor<double> x = Rng(3).uniform<double>({4, 5}, 0.3, 1.6);
  const Tensor<float> y = Rng(3).uniform<float>({4, 5}, 0.3, 1.6);
  const auto run = []<Scalar T>(const Tensor<T>& input) {
    static const std::vector<std::int32_t> labels{0, 1, 4, 2};
    Tape<T> tape;
    const Var<T> v = tape.variable(input);
    const Var<T> w = matmul(transpose(exp(v)), sqrt(v) + log(v) * tanh(sigmoid(v)));
    tape.backward(
        softmax_cross_entropy(div(v, mean(w)) - 1, std::span<const std::int32_t>(labels)));
    return Tensor<T>(tape.gradient(v));
  };
  const Tensor<double> in_double = run(x);
  const Tensor<float> in_float = run(y);
  for (Index i = 0; i < x.size(); ++i) {
    CHECK(!(std::abs(in_double[i] - double{in_float[i]}) > 1e-5));
  }
}

TEST_CASE("ops: operators are the functions they stand for") {
  const Tensor<double> a({2}, {3, -4});
  const Tensor<double> b({2}, {2, 8});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  const Var<double> y = tape.variable(b);
  const auto is = [](Var<double> v, double first, double second) {
    return v.value()[0] == first && v.value()[1] == second;
  };
  CHECK(is(x + y, 5, 4));
  CHECK(is(x - y, 1, -12));
  CHECK(is(x * y, 6, -32));
  CHECK(is(x / y, 1.5, -0.5));
  CHECK(is(-x, -3, 4));
  CHECK(is(x + 2, 5, -2));
  CHECK(is(2 + x, 5, -2));
  CHECK(is(x - 2, 1, -6));
  CHECK(is(2 - x, -1, 6));
  CHECK(is(x * 2, 6, -8));
  CHECK(is(2 * x, 6, -8));
  CHECK(is(x / 2, 1.5, -2));
  CHECK(is(12 / x, 4, -3));
  tape.backward(sum((12 / x) - (x / 2) + 2 * (3 - x) * y));
  CHECK(tape.gradient(x)[0] == -12.0 / 9 - 0.5 - 4);
  CHECK(tape.gradient(x)[1] == -12.0 / 16 - 0.5 - 16);
}
