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
  std::vector<std::int32_t> labels() const {
    std::vector<std::int32_t> result;
    for (const auto label : at("labels").integers()) {
      result.push_back(static_cast<std::int32_t>(label));
    }
    return result;
  }
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
Op<T> reduction(Var<T> (*all)(Var<T>), Var<T> (*along)(Var<T>, int, bool)) {
  return [all, along](In<T> in, const Case& c) {
    if (c.variant.at(0) == "all") return all(in[0]);
    return along(in[0], std::stoi(c.variant.at(0)), c.variant.at(1) == "keep");
  };
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
};

/// What is wrong with our value and gradients of one case; empty when nothing is.
template <Scalar T>
std::string disagreement(const Case& c, Tolerance tolerance) {
  std::vector<Tensor<T>> inputs;
  for (int i = 0; c.tensors.count(fmt::format("in{}", i)) != 0; ++i) {
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
  return {};
}

/// Checks every case whose op is in the table and returns how many there were.
template <Scalar T>
int check_cases(const std::filesystem::path& path, Tolerance tolerance) {
  int count = 0;
  std::set<std::string> seen;
  for (const auto& [name, c] : cases_of(read_safetensors(path))) {
    if (table<T>().count(c.op) == 0) continue;
    CHECK(disagreement<T>(c, tolerance) == "");
    seen.insert(c.op);
    ++count;
  }
  INFO(fmt::format("{}: {} cases of {} ops", path.string(), count, seen.size()));
  CHECK(seen.size() == table<T>().size());
  return count;
}

constexpr Tolerance in_double{1e-12, 1e-10};
constexpr Tolerance in_float{1e-5, 1e-5};
const auto own = golden::own_file("golden_ops.safetensors");

}  // namespace

TEST_CASE("golden ops: the reference values agree in double and float") {
  const auto path = golden::folder() / "ops.safetensors";
  if (!std::filesystem::exists(path)) {
    WARN(golden::not_found(path));
    return;
  }
  CHECK(check_cases<double>(path, in_double) >= 96);
  CHECK(check_cases<float>(path, in_float) >= 96);
}

TEST_CASE("golden ops: the project's own values agree in double and float") {
  CHECK(check_cases<double>(own, in_double) >= 34);
  CHECK(check_cases<float>(own, in_float) >= 34);
}

TEST_CASE("golden ops: a wrong expected value is noticed in every tensor of every case") {
  int noticed = 0;
  for (const auto& [name, c] : cases_of(read_safetensors(own))) {
    if (table<double>().count(c.op) == 0) continue;
    for (const auto& [key, tensor] : c.tensors) {
      if ((key != "out" && key.rfind("grad", 0) != 0) || tensor.shape.size() == 0) continue;
      for (const bool nan : {false, true}) {
        Tensor<double> numbers = tensor.as<double>();
        double& largest = *std::max_element(numbers.begin(), numbers.end(), [](double a, double b) {
          return std::abs(a) < std::abs(b);
        });
        largest = nan ? std::numeric_limits<double>::quiet_NaN() : largest * (1 + 1e-9) + 1e-13;
        Safetensors wrong;
        wrong.add<double>(key, numbers);
        Case perturbed = c;
        perturbed.tensors[key] = wrong.at(key);
        CHECK(disagreement<double>(perturbed, {1e-12, 1e-10}) == c.name + "/" + key);
        ++noticed;
      }
    }
  }
  CHECK(noticed >= 120);
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
