// What gradcheck takes for a kink, and what it must not.
#include <cstdint>
#include <optional>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/autograd/faulty.h"
#include "tests/catch.h"

using namespace tapegrad;
using tapegrad::test::faulty;

namespace {

using In = std::span<const Var<double>>;

}  // namespace

TEST_CASE("gradcheck: a wrong entry is no kink, however small the cost's slopes are beside it") {
  // A cost near 1 whose slopes are so small that rounding rules the shortest steps: there one-sided
  // slopes differ though nothing has a kink.
  constexpr Index size = 10;
  struct Row {
    double scale;  // of the slopes
    double wrong;  // relative
  };
  for (const Row& row : {Row{1e-4, 1e-5}, Row{1e-6, 3e-4}, Row{1e-7, 1e-3}}) {
    for (Index place = 0; place < size; ++place) {
      for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(row.scale, place, seed);
        const Tensor<double> w = Rng(seed).uniform<double>({size}, -1, 1);
        const auto report = gradcheck({w}, [&](In in) {
          return sum(sin(faulty(in[0], {place, row.wrong}))) * row.scale + 1;
        });
        CHECK(report.parameters[0].kinks == 0);
        CHECK_FALSE(report.passed());
      }
    }
    const auto right = gradcheck({Rng(1).uniform<double>({size}, -1, 1)},
                                 [&](In in) { return sum(sin(in[0])) * row.scale + 1; });
    CHECK(right.parameters[0].kinks == 0);
    CHECK(right.parameters[0].failed == 0);
  }
}

TEST_CASE("gradcheck: curvature is no kink at longer steps, and a kink is one") {
  const Tensor<double> x({3}, {0.5, -1, 2});
  for (const double h : {1e-5, 1e-4, 1e-3, 1e-2}) {
    CAPTURE(h);
    const GradcheckOptions options{
        .difference = Difference::centred, .h = h, .tolerance = h * h, .resolution = 1};
    const auto smooth = gradcheck(
        {x}, [](In in) { return exp(in[0]); }, options);
    CHECK(smooth.parameters[0].kinks == 0);
    CHECK(smooth.passed());
    for (const double distance : {0.0, 0.1, 7.0 / 45, 0.3, 9.0 / 19, 0.7, 0.95}) {
      CAPTURE(distance);
      const Tensor<double> beside({3}, {0.5, distance * h, 2});
      const auto kinked = gradcheck(
          {beside}, [](In in) { return exp(in[0]) + abs(in[0]); }, options);
      CHECK(kinked.parameters[0].kinks == 1);
      CHECK(kinked.parameters[0].entries[1].verdict == Verdict::kink);
    }
  }
}

TEST_CASE("gradcheck: a wrong entry at a minimum is no kink, however flat it is there") {
  struct Row {
    double size;
    double wrong;
  };
  for (const Row& row : {Row{1e-2, 1e-6}, Row{1e-3, 1e-5}, Row{1e-5, 1e-3}}) {
    for (const double times : {1.0, 100.0}) {
      CAPTURE(row.size, times);
      Tensor<double> x({10}, row.size);
      for (Index i = 0; i < x.size(); ++i) x[i] *= 1 + 0.1 * static_cast<double>(i);
      const auto cost = [times](double wrong) {
        return [=](In in) { return sum(square(faulty(in[0], {7, wrong}))) * times; };
      };
      const auto report = gradcheck({x}, cost(row.wrong));
      CHECK(report.parameters[0].kinks == 0);
      CHECK_FALSE(report.passed());
      CHECK(gradcheck({x}, cost(0)).passed());
    }
  }
}

TEST_CASE("gradcheck: a kink excuses no slope that the function has nowhere near") {
  for (const Difference scheme : {Difference::forward, Difference::centred}) {
    for (const double at : {0.0, 1e-9}) {
      const Tensor<double> x({2}, {at, 1});
      const auto report = [&](double wrong) {
        return gradcheck({x},
                         [=](In in) {
                           return relu(in[0]) + faulty(in[0], {0, wrong});
                         },
                         {.difference = scheme, .h = 1e-6});
      };
      CHECK_FALSE(report(1e3).passed());
      CHECK(report(0).passed());
      CHECK(report(0).parameters[0].kinks == 1);
    }
    const Tensor<double> edge({2}, {1e-9, 1});  // f(-h) is NaN there
    const auto root = gradcheck({edge},
                                [](In in) {
                                  return sqrt(faulty(in[0], {0, 1e6}));
                                },
                                {.difference = scheme, .h = 1e-6});
    CHECK_FALSE(root.passed());
    CHECK(root.parameters[0].kinks == 0);
  }
}

TEST_CASE("gradcheck: a right gradient passes at whatever distance from a kink") {
  using D = Difference;
  for (const std::optional<D> scheme :
       {std::optional<D>(), {D::forward}, {D::centred}, {D::four_point}, {D::six_point}}) {
    for (double distance = 1e-9; distance < 1e-1; distance *= 1.5) {
      CAPTURE(distance);
      const Tensor<double> x({3}, {distance, -distance, 1});
      const auto report = gradcheck({x}, [](In in) { return relu(in[0]); }, {.difference = scheme});
      CHECK(report.parameters[0].failed == 0);
      CHECK(report.passed());
    }
  }
}
