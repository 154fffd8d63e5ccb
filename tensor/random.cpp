#include "tensor/random.h"

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "tensor/error.h"

namespace tapegrad {
namespace {

std::array<std::uint64_t, 2> philox(std::uint64_t key, std::uint64_t low, std::uint64_t high) {
  const auto word = [](std::uint64_t x, int i) {
    return static_cast<std::uint32_t>(x >> (32 * i));
  };
  const r123::Philox4x32::ctr_type counter = {
      {word(low, 0), word(low, 1), word(high, 0), word(high, 1)}};
  const auto out = r123::Philox4x32()(counter, {{word(key, 0), word(key, 1)}});
  return {out[0] | std::uint64_t{out[1]} << 32, out[2] | std::uint64_t{out[3]} << 32};
}

// log(x) for x in (0, 1/2] from IEEE arithmetic alone: the C library's differs in the last bit from
// one version and processor to the next. x = 2^e m, log m = 2 atanh((m-1)/(m+1)).
double portable_log(double x) {
  int e = 0;
  double m = std::frexp(x, &e);
  if (m < std::numbers::sqrt2 / 2) {
    m *= 2;
    e -= 1;
  }
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  double series = 0;
  for (int k = 21; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
  return e * std::numbers::ln2 + 2 * s * series;
}

// c[0] + c[1] r + ... + c[7] r^7
double polynomial(const std::array<double, 8>& c, double r) {
  double y = 0;
  for (int i = 7; i >= 0; --i) y = y * r + c[static_cast<std::size_t>(i)];
  return y;
}

// The x with P(N(0,1) <= x) = p, 0 < p < 1, to about 1e-16 relative: Wichura's PPND16.
double normal_quantile(double p) {
  constexpr std::array a{3.387132872796366608,  133.14166789178437745, 1971.5909503065514427,
                         13731.693765509461125, 45921.953931549871457, 67265.770927008700853,
                         33430.575583588128105, 2509.0809287301226727};
  constexpr std::array b{1.,
                         42.313330701600911252,
                         687.1870074920579083,
                         5394.1960214247511077,
                         21213.794301586595867,
                         39307.89580009271061,
                         28729.085735721942674,
                         5226.495278852854561};
  constexpr std::array c{1.42343711074968357734,  4.6303378461565452959,   5.7694972214606914055,
                         3.64784832476320460504,  1.27045825245236838258,  .24178072517745061177,
                         .0227238449892691845833, 7.7454501427834140764e-4};
  constexpr std::array d{1.,
                         2.05319162663775882187,
                         1.6763848301838038494,
                         .68976733498510000455,
                         .14810397642748007459,
                         .0151986665636164571966,
                         5.475938084995344946e-4,
                         1.05075007164441684324e-9};
  constexpr std::array e{6.6579046435011037772,     5.4637849111641143699,
                         1.7848265399172913358,     .29656057182850489123,
                         .026532189526576123093,    .0012426609473880784386,
                         2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr std::array f{1.,
                         .59983220655588793769,
                         .13692988092273580531,
                         .0148753612908506148525,
                         7.868691311456132591e-4,
                         1.8463183175100546818e-5,
                         1.4215117583164458887e-7,
                         2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                          : polynomial(e, r - 5) / polynomial(f, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace

std::uint64_t Rng::bits() {
  const std::uint64_t i = position_++;
  return philox(seed_, i / 2, stream_)[i % 2];
}

double Rng::normal() {
  // Half a grid step inside (0, 1): never 0 or 1, whose quantiles are infinite.
  return normal_quantile((static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52);
}

Index Rng::below(Index n) {
  if (n < 1) throw OptionError("Rng::below: n must be at least 1");
  const auto range = static_cast<std::uint64_t>(n);
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % range;
  std::uint64_t draw = bits();
  while (draw >= limit) draw = bits();
  return static_cast<Index>(draw % range);
}

Rng Rng::split() {
  const auto child = philox(seed_, splits_++, stream_ | split_bit);
  return Rng(child[0], child[1]);
}

Rng Rng::from_state(const std::array<std::uint64_t, 4>& state) {
  Rng rng(state[0], state[1]);
  rng.position_ = state[2];
  rng.splits_ = state[3];
  return rng;
}

void Rng::permutation(std::span<std::int32_t> order) {
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    const auto j = static_cast<std::size_t>(below(static_cast<Index>(i)));
    std::swap(order[i - 1], order[j]);
  }
}

template <Scalar T>
Tensor<T> Rng::normal(const Shape& shape, double std) {
  Tensor<T> out(shape);
  for (T& x : out) x = static_cast<T>(std * normal());
  return out;
}

template <Scalar T>
Tensor<T> Rng::uniform(const Shape& shape, double low, double high) {
  Tensor<T> out(shape);
  for (T& x : out) x = static_cast<T>(low + (high - low) * uniform());
  return out;
}

template Tensor<float> Rng::normal(const Shape&, double);
template Tensor<double> Rng::normal(const Shape&, double);
template Tensor<Dual> Rng::normal(const Shape&, double);
template Tensor<float> Rng::uniform(const Shape&, double, double);
template Tensor<double> Rng::uniform(const Shape&, double, double);
template Tensor<Dual> Rng::uniform(const Shape&, double, double);

}  // namespace tapegrad
