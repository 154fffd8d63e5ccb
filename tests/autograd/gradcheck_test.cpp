#include "autograd/gradcheck_report.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "autograd/ops.h"
#include "nn/activations.h"
#include "nn/batch_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/error.h"
#include "tests/autograd/faulty.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Contains;
using Catch::Matchers::Message;

namespace {

using In = std::span<const Var<double>>;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// y = x^2 with a vjp that is wrong: dx = wrong(x, dy) for each element.
template <class F>
Var<double> square_with(Var<double> x, F wrong) {
  auto y = x.tape().record("square_with", x.shape(), {x});
  for (Index i = 0; i < x.value().size(); ++i) y.out()[i] = x.value()[i] * x.value()[i];
  return y.vjp([=](View<const double> dy) {
    const Grad<double> dx = x.grad();
    for (Index i = 0; i < dy.size(); ++i) {
      dx.to[i] = (dx.fresh ? 0 : dx.to[i]) + wrong(i, x.value()[i], dy[i]);
    }
  });
}

GradcheckReport check(const std::vector<Tensor<double>>& inputs,
                      const std::function<Var<double>(In)>& f) {
  return gradcheck(inputs, f);
}

const Tensor<double> six({2, 3}, {0.5, -1.25, 2, 0.75, -0.5, 1.5});

/// The name of the worst entry of the only parameter that fails.
std::string worst(const GradcheckReport& report) {
  CHECK_FALSE(report.passed());
  std::string name;
  for (const auto& p : report.parameters) {
    if (p.passed()) continue;
    CHECK(name.empty());
    name = p.worst < 0 ? p.name : p.entry_name(p.entries[static_cast<std::size_t>(p.worst)]);
  }
  return name;
}

}  // namespace

TEST_CASE("gradcheck: right gradients pass, with every element compared") {
  const auto report = check({six}, [](In in) {
    return square_with(in[0], [](Index, double x, double dy) { return 2 * x * dy; });
  });
  CHECK(report.passed());
  REQUIRE(report.parameters.size() == 1);
  const auto& p = report.parameters[0];
  CHECK(p.name == "in0");
  CHECK(p.shape == Shape{2, 3});
  CHECK(p.compared == 6);
  CHECK(p.kinks == 0);
  CHECK(p.failed == 0);
  CHECK(p.metrics.share_small == 1);
  CHECK(!(p.metrics.max_relative > 1e-8));
}

TEST_CASE("gradcheck: a wrong sign at one element is found and named") {
  const auto report = check({six}, [](In in) {
    return square_with(in[0],
                       [](Index i, double x, double dy) { return (i == 4 ? -2 : 2) * x * dy; });
  });
  CHECK(worst(report) == "in0[1,1]");
  const auto& p = report.parameters[0];
  CHECK(p.failed == 1);
  const GradcheckEntry& entry = p.entries[4];
  CHECK(p.worst == 4);
  CHECK(entry.verdict == Verdict::fail);
  CHECK(!(std::abs(entry.analytic + entry.numeric) > 1e-8));
  CHECK(to_string(report).find("in0[1,1]") != std::string::npos);
}

TEST_CASE("gradcheck: a factor 2 is found at every element") {
  const auto report = check({six}, [](In in) {
    return square_with(in[0], [](Index, double x, double dy) { return 4 * x * dy; });
  });
  CHECK_FALSE(report.passed());
  CHECK(report.parameters[0].failed == 6);
}

TEST_CASE("gradcheck: told the batch size, a division by it is named as one") {
  const auto diagnosis = [](Index batch_size) {
    const auto report = gradcheck(
        {six},
        [](In in) {
          return square_with(in[0], [](Index, double x, double dy) { return 2 * x * dy / 32; });
        },
        {.batch_size = batch_size});
    CHECK_FALSE(report.passed());
    return report.diagnosis.at(0);
  };
  CHECK_THAT(diagnosis(32), Contains("divided by the batch size once too often"));
  CHECK_THAT(diagnosis(0), !Contains("batch size"));
}

TEST_CASE("gradcheck: an error of a millionth is found, one of a hundred-millionth is tolerated") {
  const auto off_by = [](double relative) {
    return check({six}, [=](In in) {
      return square_with(in[0], [=](Index i, double x, double dy) {
        return 2 * x * dy * (i == 2 ? 1 + relative : 1);
      });
    });
  };
  CHECK(worst(off_by(3e-6)) == "in0[0,2]");
  CHECK(off_by(1e-8).passed());
}

TEST_CASE("gradcheck: a missing term is found in the operand that lacks it") {
  const auto report = check({six, six}, [](In in) {
    const Var<double> a = in[0];
    const Var<double> b = in[1];
    auto y = a.tape().record("product", a.shape(), {a, b});
    for (Index i = 0; i < 6; ++i) y.out()[i] = a.value()[i] * b.value()[i];
    return y.vjp([=](View<const double> dy) {
      const Grad<double> da = a.grad();
      for (Index i = 0; i < 6; ++i) da.to[i] = dy[i] * b.value()[i];
    });
  });
  REQUIRE(report.parameters.size() == 2);
  CHECK(report.parameters[0].passed());
  CHECK_FALSE(report.parameters[1].passed());
  CHECK(report.parameters[1].failed == 6);
  CHECK(worst(report).rfind("in1[", 0) == 0);
}

TEST_CASE("gradcheck: a transposed gradient is found") {
  const Tensor<double> square_matrix({2, 2}, {1, 2, 3, 4});
  const auto report = check({square_matrix}, [](In in) {
    const Var<double> x = in[0];
    auto y = x.tape().record("copy", x.shape(), {x});
    std::copy(x.value().begin(), x.value().end(), y.out().begin());
    return y.vjp([=](View<const double> dy) {
      const Grad<double> dx = x.grad();
      for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) dx.to(i, j) = dy(j, i);
      }
    });
  });
  CHECK_FALSE(report.passed());
  CHECK(report.parameters[0].failed == 2);
  const std::string name = worst(report);
  CHECK((name == "in0[0,1]" || name == "in0[1,0]"));
}

TEST_CASE("gradcheck: NaN in the gradient or in the cost fails") {
  const auto in_gradient = check({six}, [](In in) {
    return square_with(
        in[0], [](Index i, double x, double dy) { return i == 5 ? not_a_number : 2 * x * dy; });
  });
  CHECK(worst(in_gradient) == "in0[1,2]");
  CHECK(std::isnan(in_gradient.parameters[0].metrics.max_absolute));
  const Tensor<double> negative({2}, {1, -1});
  CHECK(worst(check({negative}, [](In in) { return log(in[0]); })) != "");
}

TEST_CASE("gradcheck: a vjp that overwrites in place of adding is found") {
  const auto twice = [](In in) {
    const Var<double> x = in[0];
    auto y = x.tape().record("overwriting", x.shape(), {x});
    for (Index i = 0; i < 6; ++i) y.out()[i] = x.value()[i];
    const Var<double> z = y.vjp([=](View<const double> dy) {
      const Grad<double> dx = x.grad();
      for (Index i = 0; i < 6; ++i) dx.to[i] = dy[i];
    });
    return square(x) + z;
  };
  CHECK_FALSE(check({six}, twice).passed());
}

TEST_CASE("gradcheck: names a parameter as its list does, rank 0 and rank 1 too") {
  Parameter<double> scalar(Tensor<double>(Shape{}, 2));
  Parameter<double> vector(Tensor<double>({3}, {1, 2, 3}));
  ParameterList<double> all;
  all.add("fc1.scale", scalar).add("fc1.bias", vector);
  const auto report = gradcheck(all, [&](Tape<double>& tape) {
    const auto wrong = [](Index i, double x, double dy) { return (i == 1 ? 1 : 2) * x * dy; };
    return sum(square_with(tape.parameter(vector), wrong)) + tape.parameter(scalar);
  });
  CHECK(report.parameters[0].passed());
  CHECK(worst(report) == "fc1.bias[1]");
  CHECK(report.parameters[0].name == "fc1.scale");
}

TEST_CASE("gradcheck: a kink that the perturbation crosses is counted and left out") {
  const Tensor<double> x({4}, {1, 1e-7, -2, -1e-7});
  const auto report = check({x}, [](In in) { return relu(in[0]); });
  CHECK(report.passed());
  CHECK(report.parameters[0].kinks == 2);
  CHECK(report.parameters[0].compared == 2);

  const Tensor<double> only_kinks({2}, {1e-7, 0});
  const auto nothing_left = check({only_kinks}, [](In in) { return relu(in[0]); });
  CHECK(nothing_left.parameters[0].compared == 0);
  CHECK_FALSE(nothing_left.passed());
}

TEST_CASE("gradcheck: a kink deep in a net is noticed from the weights in front of it") {
  Parameter<double> w(Tensor<double>({1, 1}, {1e-7}));
  Parameter<double> v(Tensor<double>({1, 1}, {3}));
  ParameterList<double> all;
  all.add("w", w).add("v", v);
  const Tensor<double> x({1, 1}, 1);
  const auto report = gradcheck(all, [&](Tape<double>& tape) {
    const Var<double> hidden = relu(matmul(tape.constant(x), tape.parameter(w)));
    return sum(matmul(hidden, tape.parameter(v)));
  });
  CHECK(report.parameters[0].kinks == 1);
  CHECK(report.parameters[1].kinks == 0);
  CHECK(report.parameters[1].passed());
}

TEST_CASE("gradcheck: parameters come back bit for bit") {
  Parameter<double> p(Tensor<double>({4}, {0.1, -0.0, 1e-300, 1.0 / 3}));
  ParameterList<double> all;
  all.add("p", p);
  const Tensor<double> before(p.value());
  const auto same_bits = [&] {
    return std::memcmp(before.data(), p.value().data(), 4 * sizeof(double)) == 0;
  };
  gradcheck(all, [&](Tape<double>& tape) { return sum(square(tape.parameter(p))); });
  CHECK(same_bits());
  for (int good = 0; good < 9; ++good) {
    int calls = 0;
    CHECK_THROWS_AS(gradcheck(all,
                              [&](Tape<double>& tape) {
                                if (calls++ == good) throw std::runtime_error("no");
                                return sum(square(tape.parameter(p)));
                              }),
                    std::runtime_error);
    CHECK(same_bits());
  }
}

TEST_CASE("gradcheck: the inputs of a function of tensors come back bit for bit") {
  const Tensor<double> x = six;
  check({x}, [](In in) { return exp(in[0]); });
  CHECK(x == six);
}

TEST_CASE("gradcheck: a centred difference is exact where a forward one is off by h") {
  const std::vector<Tensor<double>> one{Tensor<double>(Shape{}, 1)};
  const auto f = [](In in) { return square(in[0]); };
  const auto centred = gradcheck(one, f, {.difference = Difference::centred, .h = 1e-3});
  const auto forward = gradcheck(one, f, {.difference = Difference::forward, .h = 1e-3});
  CHECK(centred.passed());
  CHECK_FALSE(forward.passed());
  CHECK(!(centred.parameters[0].metrics.max_absolute > 1e-11));
  CHECK(!(std::abs(forward.parameters[0].metrics.max_absolute - 1e-3) > 1e-11));
  CHECK(worst(forward) == "in0[]");
  CHECK(gradcheck(one, f, {.difference = Difference::forward, .h = 1e-3, .tolerance = 1e-2})
            .passed());
}

TEST_CASE("gradcheck: metrics are what their definitions give by hand") {
  const std::vector<double> a{1, -2, 0, 4};
  const std::vector<double> n{1, -1, 0.5, 4};
  const GradientMetrics m = gradient_metrics(a, n);
  const auto is = [](double x, double y) { return !(std::abs(x - y) > 1e-15 * std::abs(y)); };
  CHECK(is(m.max_absolute, 1));
  CHECK(is(m.mean_absolute, 1.5 / 4));
  CHECK(is(m.share_small, 0.5));
  CHECK(is(m.max_relative, 1));  // |0 - 0.5| / (0 + 0.5)
  CHECK(is(m.mean_relative, (1.0 / 3 + 1) / 4));
  CHECK(is(m.sum_relative, 1.5 / (2 + 3 + 0.5 + 8)));
  CHECK(is(m.norm_relative, std::sqrt(1.25) / (std::sqrt(21.0) + std::sqrt(18.25))));
}

TEST_CASE("gradcheck: eps is the floor of the denominators") {
  const std::vector<double> a{1e-13, 0};
  const std::vector<double> n{0, 0};
  const GradientMetrics m = gradient_metrics(a, n, 1e-12);
  const auto is = [](double x, double y) { return !(std::abs(x - y) > 1e-14 * std::abs(y)); };
  CHECK(is(m.max_relative, 0.1));
  CHECK(is(m.mean_relative, 0.05));
  CHECK(is(m.sum_relative, 0.05));
  CHECK(is(m.norm_relative, 0.1));
  CHECK(m.share_small == 1);
}

TEST_CASE("gradcheck: a NaN makes every metric NaN") {
  for (const int place : {0, 1, 2}) {
    for (const bool analytic : {false, true}) {
      std::vector<double> a{1, 2, 3};
      std::vector<double> n{1, 2, 3};
      (analytic ? a : n)[static_cast<std::size_t>(place)] = not_a_number;
      const GradientMetrics m = gradient_metrics(a, n);
      for (const double x : {m.max_absolute, m.mean_absolute, m.share_small, m.max_relative,
                             m.mean_relative, m.sum_relative, m.norm_relative}) {
        CHECK(std::isnan(x));
      }
    }
  }
}

TEST_CASE("gradcheck: nothing to check and impossible options are refused") {
  const ParameterList<double> none;
  CHECK_THROWS_MATCHES(gradcheck(none, [](Tape<double>& tape) { return tape.constant(1.0); }),
                       GradError, Message("gradcheck: there are no parameters to check"));
  const auto f = [](In in) { return square(in[0]); };
  CHECK_THROWS_MATCHES(gradcheck({six}, f, {.h = 0}), OptionError,
                       Message("gradcheck: h is 0, but must be above 0"));
  CHECK_THROWS_AS(gradcheck({six}, f, {.h = -1e-5}), OptionError);
  CHECK_THROWS_AS(gradcheck({six}, f, {.h = not_a_number}), OptionError);
}

TEST_CASE("gradcheck: a whole net with its cost passes, with a planted penalty it fails") {
  Rng rng(3);
  nn::Sequential<double> net;
  net.add<nn::Linear<double>>(6, 5, rng);
  net.add<nn::Tanh<double>>();
  net.add<nn::Linear<double>>(5, 3, rng);
  const Tensor<double> x = rng.normal<double>({4, 6}, 1);
  const std::vector<std::int32_t> labels{0, 2, 1, 1};
  const auto all = net.parameters();
  const auto cost = [&](double k) {
    return [&, k](Tape<double>& tape) {
      const auto wrong = [=](Index, double w, double dy) { return k * w * dy; };
      return softmax_cross_entropy(net(tape.constant(x)), std::span<const std::int32_t>(labels)) +
             scale(sum(square_with(tape.parameter(all.at("0.weight")), wrong)), 0.1);
    };
  };
  CHECK(gradcheck(all, cost(2)).passed());
  const auto half = gradcheck(all, cost(1));  // lambda w in place of 2 lambda w
  CHECK(worst(half).rfind("0.weight[", 0) == 0);
}

TEST_CASE("gradcheck: a float model is held against the double one") {
  const auto make = []<Scalar T>(T) {
    Rng rng(4);
    auto net = std::make_unique<nn::Sequential<T>>();
    net->template add<nn::Linear<T>>(6, 5, rng);
    net->template add<nn::Relu<T>>();
    net->template add<nn::Linear<T>>(5, 3, rng);
    return net;
  };
  const auto in_float = make(0.0F);
  const auto in_double = make(0.0);
  const Tensor<float> x = Rng(5).normal<float>({4, 6}, 1);
  const Tensor<double> y = Rng(5).normal<double>({4, 6}, 1);
  const Cost<double> exact = [&](Tape<double>& tape) {
    return mean(square((*in_double)(tape.constant(y))));
  };
  const auto check_float = [&](float factor) {
    return gradcheck_float(
        in_float->parameters(),
        [&](Tape<float>& tape) {
          return scale(mean(square((*in_float)(tape.constant(x)))), factor);
        },
        in_double->parameters(), exact);
  };
  CHECK(check_float(1).passed());
  const auto off = check_float(1.001F);
  CHECK_FALSE(off.passed());
  CHECK(off.parameters[0].failed > 0);
}

TEST_CASE("gradcheck: of a float model a gradient of an earlier pass is not taken for this one's") {
  Parameter<double> v(Tensor<double>({2}, {3, 1})), w(Tensor<double>({2}, {1, -2}));
  Parameter<float> v_float(Tensor<float>({2})), w_float(Tensor<float>({2}));
  ParameterList<double> exact;
  exact.add("v", v).add("w", w);
  ParameterList<float> all;
  all.add("v", v_float).add("w", w_float);
  const Cost<double> reference = [&](Tape<double>& tape) {
    return sum(tape.parameter(v) * square(tape.parameter(w)));
  };
  const Cost<float> right = [&](Tape<float>& tape) {
    return sum(tape.parameter(v_float) * square(tape.parameter(w_float)));
  };
  CHECK(gradcheck_float(all, right, exact, reference).passed());
  const Cost<float> forgotten = [&](Tape<float>& tape) {
    return sum(tape.parameter(v_float) * square(tape.constant(w_float.value())));
  };
  {
    Tape<float> tape;
    tape.backward(right(tape));
  }
  CHECK(worst(gradcheck_float(all, forgotten, exact, reference)) == "w[0]");
}

TEST_CASE("gradcheck: of a float model what is frozen is left out") {
  nn::BatchNorm<double> exact(4);
  nn::BatchNorm<float> model(4);
  const Tensor<double> x = Rng(4).normal<double>({8, 4}, 1);
  const Tensor<float> x_float = Rng(4).normal<float>({8, 4}, 1);
  const auto report = gradcheck_float(
      model.parameters(),
      [&](Tape<float>& tape) { return mean(square(square(model(tape.constant(x_float))))); },
      exact.parameters(),
      [&](Tape<double>& tape) { return mean(square(square(exact(tape.constant(x))))); });
  CHECK(report.parameters.size() == 2);  // and no running statistics
  CHECK(report.passed());
}

TEST_CASE("gradcheck: long steps of four and six points pass across a kink that they step over") {
  const Tensor<double> x({3}, {1, 3e-3, -2});
  for (const Difference scheme : {Difference::four_point, Difference::six_point}) {
    const auto right = gradcheck({x}, [](In in) { return relu(in[0]); }, {.difference = scheme});
    CHECK(right.passed());
    CHECK(right.parameters[0].compared + right.parameters[0].kinks == 3);
    const auto wrong = gradcheck(
        {x},
        [](In in) { return square_with(in[0], [](Index, double v, double dy) { return v * dy; }); },
        {.difference = scheme});
    CHECK(wrong.parameters[0].failed == 3);
  }
}

TEST_CASE("gradcheck: an entry that is NaN is the worst") {
  const auto report = gradcheck({Tensor<double>({3}, 2.0)}, [](std::span<const Var<double>> x) {
    const Var<double> off = test::faulty(x[0], {0, 0.5});
    return sum(test::faulty(off, {2, std::nan("")}));
  });
  CHECK(report.parameters[0].failed == 2);
  CHECK(report.parameters[0].worst == 2);
}

TEST_CASE("gradcheck: the report shows an entry that is NaN first") {
  const auto report = gradcheck({Tensor<double>({3}, 2.0)}, [](std::span<const Var<double>> x) {
    const Var<double> off = test::faulty(x[0], {0, 0.5});
    return sum(test::faulty(off, {2, std::nan("")}));
  });
  const std::string shown = to_string(report);
  CHECK(shown.find("in0[2]: analytic nan") < shown.find("in0[0]: analytic"));
}

TEST_CASE("gradcheck: a zero that changed its sign was not left alone") {
  Parameter<double> w(Tensor<double>({2}, {0.0, 1.0}));
  ParameterList<double> all;
  all.add("w", w);
  const auto report = gradcheck(all, [&](Tape<double>& tape) {
    w.write()[0] = w.value()[0] == 0 ? -0.0 : w.value()[0];
    return sum(tape.parameter(w));
  });
  CHECK_FALSE(report.restored);
  CHECK_FALSE(std::signbit(w.value()[0]));
}

TEST_CASE("gradcheck: against exact derivatives small errors are found") {
  Parameter<double> w(Tensor<double>({2}, {1.0, 2.0}));
  Parameter<Dual> twin_w(Tensor<Dual>({2}));
  ParameterList<double> all;
  ParameterList<Dual> twin;
  all.add("w", w);
  twin.add("w", twin_w);
  const auto report =
      gradcheck(all,
                [&](Tape<double>& tape) {
                  return sum(test::faulty(tape.parameter(w), {0, 1e-9}));
                },
                {twin, [&](Tape<Dual>& tape) { return sum(tape.parameter(twin_w)); }});
  CHECK(report.parameters[0].failed == 1);
}

TEST_CASE("gradcheck: a cost too noisy to judge by does not pass") {
  Parameter<double> w(Tensor<double>({1}, 1.0));
  ParameterList<double> all;
  all.add("w", w);
  const auto report = gradcheck(all, [&](Tape<double>& tape) {
    const double noise = 1e-6 * std::sin(1e15 * w.value()[0]);
    return sum(tape.parameter(w)) + noise;
  });
  CHECK(report.parameters[0].inconclusive == 1);
  CHECK_FALSE(report.passed());
}
