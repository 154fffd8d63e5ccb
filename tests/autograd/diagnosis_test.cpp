// A diagnosis names the fault that was planted, and says nothing about noise.
#include "autograd/diagnosis.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "autograd/gradcheck_report.h"
#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

using In = std::span<const Var<double>>;
using Numbers = std::vector<double>;

/// The right gradient of one parameter, and what a faulty backward made of it.
struct Case {
  Shape shape;
  Numbers numeric;
  Numbers analytic;
  Numbers value;
  int uses = 1;
  Index batch = 0;

  std::string diagnosis() const {
    return diagnose({.name = "w",
                     .shape = shape,
                     .analytic = analytic,
                     .numeric = numeric,
                     .value = value,
                     .uses = uses,
                     .batch = batch});
  }
};

Numbers random_numbers(Rng& rng, Index n) {
  const Tensor<double> x = rng.normal<double>({n}, 1);
  return {x.begin(), x.end()};
}

/// Right but for rounding: the numeric gradient is off by a relative 1e-9.
Case right(const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Case c{.shape = shape,
         .numeric = random_numbers(rng, shape.size()),
         .analytic = {},
         .value = random_numbers(rng, shape.size())};
  for (const double n : c.numeric) c.analytic.push_back(n * (1 + 1e-9 * rng.normal()));
  return c;
}

/// A fault in a gradient, and what a diagnosis of it must say.
struct Planted {
  std::string name;
  std::function<void(Case&)> plant;
  std::string says;
  bool matrix = false;  // needs rank 2
  bool square = true;   // allowed for square matrices (or any shape that is no matrix)
};

Planted ratio(double k, const std::string& says, Index batch = 0) {
  return {fmt::format("ratio {:g}, batch {}", k, batch),
          [=](Case& c) {
            for (double& a : c.analytic) a *= k;
            c.batch = batch;
          },
          says};
}

Planted penalty(double k, const std::string& says, const std::string& factor) {
  return {fmt::format("penalty {:g}", k),
          [=](Case& c) {
            for (std::size_t i = 0; i < c.value.size(); ++i) c.analytic[i] += k * c.value[i];
          },
          fmt::format("the difference is {} times the parameter itself: the gradient of a "
                      "penalty is {}",
                      factor, says)};
}

/// Zeros in rows (columns) that `missing` holds.
Planted lines(bool rows, std::vector<Index> missing, const std::string& says) {
  return {says,
          [=](Case& c) {
            for (Index i = 0; i < c.shape[0]; ++i) {
              for (Index j = 0; j < c.shape[1]; ++j) {
                for (const Index line : missing) {
                  if (line == (rows ? i : j)) {
                    c.analytic[static_cast<std::size_t>(i * c.shape[1] + j)] = 0;
                  }
                }
              }
            }
          },
          says, true};
}

void transpose_gradient(Case& c) {
  const Numbers old = c.analytic;
  const Index rows = c.shape[0];
  const Index cols = c.shape[1];
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      c.analytic[static_cast<std::size_t>(j * rows + i)] =
          old[static_cast<std::size_t>(i * cols + j)];
    }
  }
}

Planted at_element(double bad, std::size_t place, const std::string& says) {
  return {says, [=](Case& c) { c.analytic[place] = bad; }, says};
}

const std::vector<Planted>& faults() {
  constexpr double inf = std::numeric_limits<double>::infinity();
  static const std::vector<Planted> all = {
      ratio(2, "every entry is 2 times what it should be (a constant ratio)"),
      ratio(0.5, "every entry is 1/2 times what it should be (a constant ratio)"),
      ratio(1.0 / 3, "every entry is 1/3 times what it should be (a constant ratio)"),
      ratio(-0.5, "every entry is -1/2 times what it should be (a constant ratio)"),
      ratio(-1, "every entry has the wrong sign (ratio -1)"),
      ratio(1.7, "every entry is 1.7 times what it should be (a constant ratio)"),
      ratio(1.0 / 32, "every entry is 1/32 of what it should be: divided by the batch size once",
            32),
      ratio(48, "every entry is 48 times what it should be: not divided by the batch size", 48),
      ratio(0.5, "every entry is 1/2 of what it should be: divided by the batch size once", 2),
      ratio(2, "every entry is 2 times what it should be (a constant ratio)", 100),
      penalty(-0.125, "missing or too small", "-0.125"),
      penalty(-1, "missing or too small", "-1"),
      penalty(0.003, "too large, or not part of the cost", "0.003"),
      penalty(2.5, "too large, or not part of the cost", "2.5"),
      {"zero", [](Case& c) { c.analytic.assign(c.analytic.size(), 0.0); },
       "the gradient is zero, but the cost depends on it"},
      at_element(std::nan(""), 4, "the gradient is nan at element 4"),
      at_element(inf, 0, "the gradient is inf at element 0"),
      at_element(-inf, 5, "the gradient is -inf at element 5"),
      {"transposed", transpose_gradient, "the entries are those of the transposed gradient", true},
      lines(true, {0}, "row 0 missing (zero), the rest is right"),
      lines(true, {2}, "row 2 missing (zero), the rest is right"),
      lines(true, {0, 2}, "row 0, 2 missing (zero), the rest is right"),
      lines(false, {1}, "column 1 missing (zero), the rest is right"),
      lines(false, {0, 2}, "column 0, 2 missing (zero), the rest is right"),
  };
  return all;
}

const std::vector<Shape> shapes = {{7}, {3, 3}, {4, 6}, {8, 5}, {2, 3, 2, 2}, {6, 4, 1}};

/// One entry of x^2 has half its gradient, one is NaN, one is a kink.
GradcheckReport failing_report() {
  Parameter<double> good(Tensor<double>({2}, {0.5, -1.5}));
  Parameter<double> bad(Tensor<double>({2, 3}, {0.5, -1.25, 2, 0.75, -0.5, 1.5}));
  Parameter<double> kinked(Tensor<double>({3}, {1, 0, -1}));
  ParameterList<double> all;
  all.add("a \"quoted\"\\\n name", good).add("bad", bad).add("kinked", kinked);
  return gradcheck(all, [&](Tape<double>& tape) {
    const Var<double> x = tape.parameter(bad);
    auto y = tape.record("wrong_square", x.shape(), {x});
    for (Index i = 0; i < 6; ++i) y.out()[i] = x.value()[i] * x.value()[i];
    const Var<double> wrong = y.vjp([=](View<const double> dy) {
      const Grad<double> dx = x.grad();
      for (Index i = 0; i < 6; ++i) {
        const double k = i == 1 ? 1 : i == 4 ? std::numeric_limits<double>::quiet_NaN() : 2;
        dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + k * x.value()[i] * dy[i];
      }
    });
    return sum(wrong) + sum(sin(tape.parameter(good))) + sum(relu(tape.parameter(kinked)));
  });
}

/// The counts in a histogram's text: the second number of each line.
Index counted(const std::string& histogram) {
  std::istringstream in(histogram);
  Index total = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string power;
    Index n = 0;
    words >> power >> n;
    CHECK(power.rfind("1e", 0) == 0);
    CHECK(n > 0);
    total += n;
  }
  return total;
}

}  // namespace

TEST_CASE("diagnosis: every planted fault is named, whatever the shape and the numbers") {
  int planted = 0;
  for (const Planted& fault : faults()) {
    for (const Shape& shape : shapes) {
      if (fault.matrix && shape.rank() != 2) continue;
      for (const std::uint64_t seed : {1U, 2U, 3U}) {
        Case c = right(shape, seed);
        fault.plant(c);
        INFO(fault.name << ", shape " << to_string(shape) << ", seed " << seed);
        const std::string text = c.diagnosis();
        INFO(text);
        CHECK(text.rfind("w: " + fault.says, 0) == 0);
        ++planted;
      }
    }
  }
  CHECK(planted >= 350);
}

TEST_CASE("diagnosis: a gradient one use of several made names the uses") {
  for (const int uses : {2, 3, 4, 7}) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      Case equal = right({4, 6}, seed);  // every use gives the same share, one of them is counted
      for (double& a : equal.analytic) a /= uses;
      equal.uses = uses;
      INFO(equal.diagnosis());
      CHECK(equal.diagnosis().find(fmt::format("the parameter is used {} times", uses)) !=
            std::string::npos);
      CHECK(equal.diagnosis().find("must add up") != std::string::npos);

      Case different = right({4, 6}, seed);  // the uses' gradients differ
      Rng rng(seed, 9);
      for (double& a : different.analytic) a += rng.normal();
      different.uses = uses;
      CHECK(different.diagnosis() ==
            fmt::format("w: the parameter is used {} times and the sum of its uses' gradients is "
                        "wrong: one vjp overwrites where it should add, or is itself wrong",
                        uses));
    }
  }
}

TEST_CASE("diagnosis: differences without a pattern get none") {
  for (const Shape& shape : shapes) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      INFO("shape " << to_string(shape) << ", seed " << seed);
      Rng rng(seed, 5);
      Case noise = right(shape, seed);
      for (double& a : noise.analytic) a += 0.1 * rng.normal();
      CHECK(noise.diagnosis().empty());

      Case one = right(shape, seed);  // a single entry
      one.analytic[static_cast<std::size_t>(rng.below(shape.size()))] += 0.5;
      CHECK(one.diagnosis().empty());
    }
  }
}

TEST_CASE("diagnosis: a pattern with one per cent of noise on top is no pattern") {
  int planted = 0;
  for (const Planted& fault : faults()) {
    if (fault.name == "zero" || fault.says.find("at element") != std::string::npos) continue;
    for (const Shape& shape : shapes) {
      if (fault.matrix && shape.rank() != 2) continue;
      Case c = right(shape, 4);
      fault.plant(c);
      double largest = 0;
      for (std::size_t i = 0; i < c.analytic.size(); ++i) {
        largest = std::max(largest, std::abs(c.analytic[i] - c.numeric[i]));
      }
      Rng rng(11);
      for (double& a : c.analytic) a += 0.01 * largest * rng.normal();
      INFO(fault.name << ", shape " << to_string(shape));
      CHECK(c.diagnosis() == "");
      ++planted;
    }
  }
  CHECK(planted >= 60);
}

TEST_CASE("diagnosis: gradcheck's report holds the diagnosis of what it saw") {
  const Tensor<double> x = Rng(2).normal<double>({3, 4}, 1);
  const auto half = [](In in) {
    const Var<double> v = in[0];
    auto y = v.tape().record("half", v.shape(), {v});
    std::copy(v.value().begin(), v.value().end(), y.out().begin());
    return y.vjp([=](View<const double> dy) {
      const Grad<double> dx = v.grad();
      for (Index i = 0; i < dy.size(); ++i) dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + dy[i] / 2;
    });
  };
  const auto report = gradcheck({x}, half);
  REQUIRE(report.diagnosis.size() == 1);
  CHECK(report.diagnosis[0] ==
        "in0: every entry is 1/2 times what it should be (a constant ratio)");
  CHECK(gradcheck({x}, [](In in) { return in[0]; }).diagnosis.empty());
}

TEST_CASE("gradcheck report: the JSON of a failing check parses and holds every verdict") {
  const auto report = failing_report();
  CHECK_FALSE(report.passed());
  const auto json = nlohmann::json::parse(to_json(report));
  CHECK(json.at("passed") == false);
  CHECK(json.at("restored") == true);
  CHECK(json.at("oracle") == report.oracle);
  CHECK(json.at("diagnosis").size() == report.diagnosis.size());
  const auto& parameters = json.at("parameters");
  REQUIRE(parameters.size() == 3);
  CHECK(parameters[0].at("name") == "a \"quoted\"\\\n name");
  CHECK(parameters[0].at("passed") == true);
  CHECK(parameters[1].at("passed") == false);
  CHECK(parameters[1].at("failed") == 2);
  CHECK(parameters[1].at("shape") == nlohmann::json({2, 3}));
  CHECK(parameters[1].at("max_absolute") == "nan");
  CHECK(parameters[2].at("kinks") == 1);
  const std::vector<std::string> verdicts{"pass", "fail", "kink", "inconclusive"};
  for (std::size_t i = 0; i < 3; ++i) {
    const ParameterCheck& check = report.parameters[i];
    const auto& entries = parameters[i].at("entries");
    REQUIRE(entries.size() == check.entries.size());
    for (std::size_t j = 0; j < entries.size(); ++j) {
      CHECK(entries[j].at("verdict") ==
            verdicts[static_cast<std::size_t>(check.entries[j].verdict)]);
      CHECK(entries[j].at("name") == check.entry_name(check.entries[j]));
      CHECK(entries[j].at("numeric") == check.entries[j].numeric);
    }
  }
  CHECK(parameters[1].at("entries")[1].at("verdict") == "fail");
  CHECK(parameters[1].at("entries")[4].at("analytic") == "nan");
  CHECK(parameters[2].at("entries")[1].at("verdict") == "kink");
}

TEST_CASE("gradcheck report: the histogram counts each compared entry once") {
  const Tensor<double> x = Rng(3).normal<double>({5, 7}, 1);
  const auto right_report = gradcheck({x}, [](In in) { return tanh(in[0]); });
  CHECK(counted(error_histogram(right_report)) == 35);
  const auto exact = gradcheck({x}, [](In in) { return relu(scale(in[0], 0)); });
  Index compared = 0;
  for (const auto& p : exact.parameters) compared += p.compared;
  CHECK(counted(error_histogram(exact)) == compared);
}

TEST_CASE("gradcheck report: the histogram counts an entry that is NaN too") {
  const auto report = failing_report();
  Index compared = 0;
  for (const auto& p : report.parameters) compared += p.compared;
  CHECK(compared == 10);
  CHECK(counted(error_histogram(report)) == compared);
}

TEST_CASE("diagnosis: a row that is rightly zero is not missing") {
  const double numeric[] = {1, 2, 0, 0, 3, 4};
  const double analytic[] = {1, 2, 0, 0, 0, 0};
  const double value[] = {1, -1, 1, 2, -1, 1};
  CHECK(diagnose({.name = "w",
                  .shape = {3, 2},
                  .analytic = analytic,
                  .numeric = numeric,
                  .value = value}) == "w: row 2 missing (zero), the rest is right");
}

TEST_CASE("diagnosis: a factor near a round one is not that") {
  const double numeric[] = {1, 2, -3};
  const double analytic[] = {2.01, 4.02, -6.03};
  const double value[] = {1, -1, 5};
  CHECK_THAT(
      diagnose(
          {.name = "w", .shape = {3}, .analytic = analytic, .numeric = numeric, .value = value}),
      Catch::Contains("every entry is 2.01 times"));
}
