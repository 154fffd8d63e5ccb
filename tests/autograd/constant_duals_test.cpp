// Tangents of constants, where slopes are infinite.
#include <cmath>

#include "autograd/derivatives.h"
#include "autograd/ops.h"
#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("derivatives: a constant stays one where the slope is infinite") {
  const std::vector<Tensor<double>> zero{Tensor<double>({1})}, still{Tensor<double>({1})};
  CHECK(jvp([](auto in) { return sqrt(in[0]); }, zero, still)[0] == 0);
  CHECK(jvp([](auto in) { return log(in[0]); }, zero, still)[0] == 0);
  const std::vector<Tensor<double>> large{Tensor<double>({1}, 1000)};
  CHECK(jvp([](auto in) { return exp(in[0]); }, large, still)[0] == 0);
  const std::vector<Tensor<double>> tiny{Tensor<double>({1}, 1e-310)};
  CHECK(jvp([](auto in) { return log(in[0]); }, tiny, tiny)[0] == 1);
  const std::vector<Tensor<double>> x{Tensor<double>({1}), Tensor<double>({1}, 0.5)};
  const std::vector<Tensor<double>> along_b{Tensor<double>({1}), Tensor<double>({1}, 1)};
  const std::vector<Tensor<double>> along_a{Tensor<double>({1}, 1), Tensor<double>({1})};
  const auto power = [](auto in) { return pow(in[0], in[1]); };
  CHECK(jvp(power, x, along_b)[0] == 0);
  CHECK(std::isinf(jvp(power, x, along_a)[0]));
}
