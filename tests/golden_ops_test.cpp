// Every op against values and vector-Jacobian products computed by PyTorch.
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "autograd/ops.h"
#include "tests/catch.h"
#include "tests/golden.h"

using namespace tapegrad;

namespace {

/// One case of a golden file: "sum.1.keep" has op "sum" and variant {"1", "keep"}.
struct Case {
  std::string name;
  std::string op;
  std::vector<std::string> variant;
  std::map<std::string, StoredTensor> tensors;  // "in0", "out", "grad0", ...

  const StoredTensor& at(const std::string& key) const { return tensors.at(key); }
  bool has(const std::string& key) const { return tensors.count(key) != 0; }

  template <Scalar T>
  Tensor<T> numbers(const std::string& key) const {
    if constexpr (Real<T>) return at(key).as<T>();
    const Tensor<double> stored = at(key).as<double>();
    Tensor<T> result(stored.shape());
    for (Index i = 0; i < stored.size(); ++i) result[i] = static_cast<T>(stored[i]);
    return result;
  }
  std::vector<std::int32_t> integers(const std::string& key) const {
    std::vector<std::int32_t> result;
    for (const auto number : at(key).integers()) {
      result.push_back(static_cast<std::int32_t>(number));
    }
    return result;
  }
  std::vector<std::int32_t> labels() const { return integers("labels"); }
};

template <Scalar T>
using In = std::span<const Var<T>>;
template <Scalar T>
using Op = std::function<Var<T>(In<T>, const Case&)>;

template <Scalar T>
Op<T> unary(Var<T> (*f)(Var<T>)) {
  return [f](In<T> in, const Case&) { return f(in[0]); };
}

template <Scalar T>
Op<T> binary(Var<T> (*f)(Var<T>, Var<T>)) {
  return [f](In<T> in, const Case&) { return f(in[0], in[1]); };
}

template <Scalar T>
Op<T> reduction(Var<T> (*all)(Var<T>), Var<T> (*along)(Var<T>, Axis, bool)) {
  return [all, along](In<T> in, const Case& c) {
    if (c.variant.at(0) == "all") return all(in[0]);
    return along(in[0], std::stoi(c.variant.at(0)), c.variant.at(1) == "keep");
  };
}

/// 2 for ("stride", "stride2").
Index number_after(const std::string& word, const std::string& text) {
  REQUIRE(text.rfind(word, 0) == 0);
  return std::stol(text.substr(word.size()));
}

/// One row per op.
template <Scalar T>
const std::map<std::string, Op<T>>& table() {
  static const std::map<std::string, Op<T>> rows = {
      {"add", binary<T>(add)},
      {"sub", binary<T>(sub)},
      {"mul", binary<T>(mul)},
      {"div", binary<T>(div)},
      {"neg", unary<T>(neg)},
      {"exp", unary<T>(exp)},
      {"log", unary<T>(log)},
      {"sqrt", unary<T>(sqrt)},
      {"square", unary<T>(square)},
      {"tanh", unary<T>(tanh)},
      {"sigmoid", unary<T>(sigmoid)},
      {"relu", unary<T>(relu)},
      {"sum", reduction<T>(sum, sum)},
      {"mean", reduction<T>(mean, mean)},
      {"reshape", [](In<T> in, const Case& c) { return reshape(in[0], c.at("out").shape); }},
      {"transpose", unary<T>(transpose)},
      {"broadcast_to",
       [](In<T> in, const Case& c) { return broadcast_to(in[0], c.at("out").shape); }},
      {"matmul", binary<T>(matmul)},
      {"linear", [](In<T> in, const Case&) { return linear(in[0], in[1], in[2]); }},
      {"softmax", unary<T>(softmax)},
      {"log_softmax", unary<T>(log_softmax)},
      {"softmax_cross_entropy",
       [](In<T> in, const Case& c) {
         return softmax_cross_entropy(in[0], std::span<const std::int32_t>(c.labels()));
       }},
      // further functions, reductions, moves
      {"pow", binary<T>(pow)},
      {"maximum", binary<T>(maximum)},
      {"minimum", binary<T>(minimum)},
      {"abs", unary<T>(abs)},
      {"sin", unary<T>(sin)},
      {"cos", unary<T>(cos)},
      {"softplus", unary<T>(softplus)},
      {"gelu", unary<T>(gelu)},
      {"leaky_relu", [](In<T> in, const Case&) { return leaky_relu(in[0]); }},
      {"reciprocal", unary<T>(reciprocal)},
      {"max", reduction<T>(max, max)},
      {"var", reduction<T>(var, var)},
      {"logsumexp", reduction<T>(logsumexp, logsumexp)},
      {"permute",
       [](In<T> in, const Case&) {
         return permute(in[0], {2, 0, 1});
       }},
      {"slice",  // [1:3] and [:, 1:4]
       [](In<T> in, const Case& c) {
         const int axis = std::stoi(c.variant.at(0));
         return slice(in[0], axis, 1, axis == 0 ? 3 : 4);
       }},
      {"concat", [](In<T> in, const Case& c) { return concat(in, std::stoi(c.variant.at(0))); }},
      {"embedding",
       [](In<T> in, const Case& c) {
         return gather_rows(in[0], std::span<const std::int32_t>(c.integers("indices")));
       }},
      // losses, normalization, images
      {"softmax_cross_entropy_soft",
       [](In<T> in, const Case& c) {
         return softmax_cross_entropy(in[0], c.numbers<T>("targets").view());
       }},
      {"multi_margin_sum",
       [](In<T> in, const Case& c) {
         return multiclass_hinge(in[0], std::span<const std::int32_t>(c.labels()));
       }},
      {"bce_with_logits",
       [](In<T> in, const Case& c) {
         return binary_cross_entropy_with_logits(in[0], c.numbers<T>("targets").view());
       }},
      {"mse", binary<T>(mse)},
      {"batch_norm", [](In<T> in, const Case&) { return batch_norm(in[0], in[1], in[2]); }},
      {"layer_norm", [](In<T> in, const Case&) { return layer_norm(in[0], in[1], in[2]); }},
      {"conv2d",
       [](In<T> in, const Case& c) {
         const Conv2dOptions options{.stride = number_after("stride", c.variant.at(1)),
                                     .padding = number_after("pad", c.variant.at(2))};
         return conv2d(in[0], in[1], in[2], options);
       }},
      {"max_pool2d", [](In<T> in, const Case&) { return max_pool2d(in[0], 2, 2); }},
      {"avg_pool2d", [](In<T> in, const Case&) { return avg_pool2d(in[0], 2, 2); }},
  };
  return rows;
}

std::map<std::string, Case> cases_of(const Safetensors& file) {
  std::map<std::string, Case> cases;
  for (const auto& [key, tensor] : file.tensors) {
    const auto slash = key.rfind('/');
    Case& c = cases[key.substr(0, slash)];
    c.name = key.substr(0, slash);
    c.tensors[key.substr(slash + 1)] = tensor;
  }
  for (auto& [name, c] : cases) {
    std::istringstream parts(name);
    std::getline(parts, c.op, '.');
    for (std::string part; std::getline(parts, part, '.');) c.variant.push_back(part);
  }
  return cases;
}

struct Tolerance {
  double forward;
  double backward;
  double second_order = 0;
};

/// What is wrong with the second order of one case, the gradient of sum_i <grad_i, v_i>, which is
/// the tangent of the gradients when the inputs have the tangents v: forward over reverse.
std::string second_order_disagreement(const Case& c, double tolerance) {
  std::vector<Tensor<Dual>> inputs;
  for (int i = 0; c.has(fmt::format("in{}", i)); ++i) {
    inputs.push_back(c.numbers<Dual>(fmt::format("in{}", i)));
    const Tensor<double> v = c.numbers<double>(fmt::format("v{}", i));
    for (Index j = 0; j < v.size(); ++j) inputs.back()[j].tangent = v[j];
  }
  Tape<Dual> tape;
  std::vector<Var<Dual>> in;
  for (const auto& input : inputs) in.push_back(tape.variable(input));
  const Var<Dual> y = table<Dual>().at(c.op)(in, c);
  const Tensor<Dual> gout(y.shape(), c.numbers<Dual>("gout").span());
  tape.backward(sum(mul(y, tape.constant(gout))));
  for (std::size_t i = 0; i < in.size(); ++i) {
    const View<const Dual> gradient = tape.gradient(in[i]);
    Tensor<double> tangents(gradient.shape());
    for (Index j = 0; j < tangents.size(); ++j) tangents[j] = gradient[j].tangent;
    const std::string key = fmt::format("hvp{}", i);
    if (!golden::agrees<double>(tangents, c.at(key), tolerance)) return c.name + "/" + key;
  }
  return {};
}

/// What is wrong with our value and gradients of one case; empty when nothing is.
template <Scalar T>
std::string disagreement(const Case& c, Tolerance tolerance) {
  std::vector<Tensor<T>> inputs;
  for (int i = 0; c.has(fmt::format("in{}", i)); ++i) {
    inputs.push_back(c.at(fmt::format("in{}", i)).as<T>());
  }
  Tape<T> tape;
  std::vector<Var<T>> in;
  for (const auto& input : inputs) in.push_back(tape.variable(input));
  const Var<T> y = table<T>().at(c.op)(in, c);
  if (!golden::agrees<T>(y.value(), c.at("out"), tolerance.forward)) return c.name + "/out";

  const Tensor<T> gout(y.shape(), c.at("gout").as<T>().span());
  tape.backward(sum(mul(y, tape.constant(gout))));
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::string key = fmt::format("grad{}", i);
    if (!golden::agrees<T>(tape.gradient(in[i]), c.at(key), tolerance.backward)) {
      return c.name + "/" + key;
    }
  }
  if (tolerance.second_order > 0 && c.has("hvp0")) {
    return second_order_disagreement(c, tolerance.second_order);
  }
  return {};
}

struct Count {
  int cases = 0;
  int second_order = 0;  // of which had one
};

/// Checks every case whose op is in the table and returns how many there were.
template <Scalar T>
Count check_cases(const std::map<std::string, Case>& cases, Tolerance tolerance) {
  Count count;
  std::set<std::string> seen;
  for (const auto& [name, c] : cases) {
    if (table<T>().count(c.op) == 0) continue;
    CHECK(disagreement<T>(c, tolerance) == "");
    seen.insert(c.op);
    ++count.cases;
    if (c.has("hvp0")) ++count.second_order;
  }
  INFO(fmt::format("{} cases of {} ops", count.cases, seen.size()));
  CHECK(seen.size() == table<T>().size());
  return count;
}

/// PyTorch's second derivative of abs is a zero tensor without memory, so the reference file holds
/// whatever its writer found there; it is zero.
std::map<std::string, Case> repaired(std::map<std::string, Case> cases) {
  for (auto& [name, c] : cases) {
    if (c.op != "abs" || !c.has("hvp0")) continue;
    Safetensors zero;
    zero.add<double>("hvp0", Tensor<double>(c.at("in0").shape));
    c.tensors["hvp0"] = zero.at("hvp0");
  }
  return cases;
}

constexpr Tolerance in_double{1e-12, 1e-10, 1e-9};
constexpr Tolerance in_float{1e-5, 1e-5};
const auto own = golden::own_file("golden_ops.safetensors");

}  // namespace

TEST_CASE("golden ops: the reference values agree in double and float") {
  const auto path = golden::folder() / "ops.safetensors";
  if (!std::filesystem::exists(path)) {
    WARN(golden::not_found("ops.safetensors"));
    return;
  }
  const auto cases = repaired(cases_of(read_safetensors(path)));
  const Count count = check_cases<double>(cases, in_double);
  CHECK(count.cases >= 190);
  CHECK(count.second_order >= 126);
  CHECK(check_cases<float>(cases, in_float).cases >= 190);
}

TEST_CASE("golden ops: the project's own values agree in double and float") {
  const auto cases = cases_of(read_safetensors(own));
  const Count count = check_cases<double>(cases, in_double);
  CHECK(count.cases >= 74);
  CHECK(count.second_order >= 45);
  CHECK(check_cases<float>(cases, in_float).cases >= 74);
}

TEST_CASE("golden ops: a wrong expected value is noticed in every tensor of every case") {
  int noticed = 0;
  for (const auto& [name, c] : cases_of(read_safetensors(own))) {
    if (table<double>().count(c.op) == 0) continue;
    for (const auto& [key, tensor] : c.tensors) {
      const bool second_order = key.rfind("hvp", 0) == 0;
      const bool computed = key == "out" || key.rfind("grad", 0) == 0 || second_order;
      if (!computed || tensor.shape.size() == 0) continue;
      const double fault = second_order ? 1e-8 : 1e-9;
      const double from_zero = second_order ? 1e-8 : 1e-13;
      for (const bool nan : {false, true}) {
        Tensor<double> numbers = tensor.as<double>();
        double& largest = *std::max_element(numbers.begin(), numbers.end(), [](double a, double b) {
          return std::abs(a) < std::abs(b);
        });
        largest += std::copysign(std::abs(largest) * fault + from_zero, largest);
        if (nan) largest = std::numeric_limits<double>::quiet_NaN();
        Safetensors wrong;
        wrong.add<double>(key, numbers);
        Case perturbed = c;
        perturbed.tensors[key] = wrong.at(key);
        CHECK(disagreement<double>(perturbed, in_double) == c.name + "/" + key);
        ++noticed;
      }
    }
  }
  CHECK(noticed >= 500);
}

TEST_CASE("golden ops: NaN, another shape and a small error do not agree") {
  Safetensors file;
  file.add<double>("b", Tensor<double>({3}, {1, -2, 3}));
  const StoredTensor& b = file.at("b");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto agrees = [&](const Tensor<double>& a) { return golden::agrees<double>(a, b, 1e-12); };
  CHECK(agrees(Tensor<double>({3}, {1, -2, 3})));
  CHECK_FALSE(agrees(Tensor<double>({3}, {1, -2, 3 * (1 + 1e-9)})));
  CHECK_FALSE(agrees(Tensor<double>({3}, {nan, -2, 3})));
  CHECK_FALSE(agrees(Tensor<double>({3}, {1, -2, nan})));
  CHECK_FALSE(agrees(Tensor<double>({3}, {nan, nan, nan})));
  CHECK_FALSE(agrees(Tensor<double>({1, 3}, {1, -2, 3})));
  CHECK_FALSE(agrees(Tensor<double>({2}, {1, -2})));
  file.add<double>("b", Tensor<double>({3}, {1, nan, 3}));
  CHECK_FALSE(agrees(Tensor<double>({3}, {1, -2, 3})));
}
