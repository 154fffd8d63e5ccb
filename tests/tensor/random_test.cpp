#include "tensor/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "tests/catch.h"

using namespace tapegrad;

namespace {

using Words = std::array<std::uint32_t, 4>;

// Philox4x32-10 from the paper's formulas, independent of the library's.
Words philox(Words c, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return c;
}

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

double relative_error(double got, double want) { return std::abs(got - want) / std::abs(want); }

// The bound that a chi-squared statistic with k degrees of freedom exceeds by chance about once in
// a million (Wilson and Hilferty's approximation).
double chi_squared_bound(double k) {
  const double z = 1 - 2 / (9 * k) + 4.75 * std::sqrt(2 / (9 * k));
  return k * z * z * z;
}

double chi_squared(const std::vector<int>& counts, double expected) {
  double sum = 0;
  for (const int n : counts) sum += (n - expected) * (n - expected) / expected;
  return sum;
}

}  // namespace

TEST_CASE("random: the reference Philox gives the published answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: the i-th number is Philox of seed, stream and i") {
  const std::uint64_t seed = 0x299f31d0a4093822;
  const std::uint64_t stream = 0x0370734413198a2e;
  for (const std::uint64_t i : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{1} << 40}) {
    const Words w = philox({low(i), high(i), low(stream), high(stream)}, {low(seed), high(seed)});
    Rng rng(seed, stream);
    rng.seek(2 * i);
    CHECK(rng.bits() == (w[0] | std::uint64_t{w[1]} << 32));
    CHECK(rng.bits() == (w[2] | std::uint64_t{w[3]} << 32));
    CHECK(rng.position() == 2 * i + 2);
  }
}

TEST_CASE("random: a seed's first numbers never change") {
  Rng rng(400);
  CHECK(rng.bits() == 0x4ad06d622e1d1759);
  CHECK(rng.bits() == 0x87616f12741ccd59);
  CHECK(rng.bits() == 0x1abd788841e3855d);
  CHECK(rng.bits() == 0x2e2223e93272106e);
  rng.seek(0);
  CHECK(rng.uniform() == 0.2922428478906236);
  CHECK(rng.uniform() == 0.5288304729511878);
  rng.seek(0);
  CHECK(rng.normal() == -0.54684431380451881);
  CHECK(rng.normal() == 0.072330297272530569);
  CHECK(rng.normal() == -1.2565760524093927);
  const Rng child = rng.split();
  CHECK(child.seed() == 0x5c6942f3e94c0b22);
  CHECK(child.stream() == 0x765858c2224d2e89);
  rng.seek(0);
  std::vector<std::int32_t> order(10);
  rng.permutation(order);
  CHECK(order == std::vector<std::int32_t>{3, 8, 2, 9, 0, 4, 6, 5, 7, 1});
}

TEST_CASE("random: normal is the quantile function of the number's bits") {
  // From Python's statistics.NormalDist().inv_cdf(((bits >> 12) + 0.5) / 2**52).
  struct Case {
    std::uint64_t position;
    double quantile;
  };
  const Case cases[] = {{0, -0.5468443138045188},     {1, 0.07233029727253057},
                        {2, -1.2565760524093927},     {3, -0.9145710194360104},
                        {4, 0.2277931637214148},      {5, 1.4067561069810866},
                        {15571, -4.4206047294707735}, {52357, 4.249371884491287}};
  for (const Case& c : cases) {
    Rng rng(400);
    rng.seek(c.position);
    CHECK(relative_error(rng.normal(), c.quantile) <= 1e-15);
  }
}

TEST_CASE("random: the same seed gives the same numbers, another one others") {
  CHECK(Rng(1).bits() == Rng(1).bits());
  CHECK(Rng(1).bits() != Rng(2).bits());
  CHECK(Rng(1, 0).bits() != Rng(1, 1).bits());
  Rng a(5);
  a.bits();
  CHECK_FALSE(a == Rng(5));
  a.seek(0);
  CHECK(a == Rng(5));
}

TEST_CASE("random: moments of uniform and normal numbers") {
  Rng rng(1);
  const int n = 100'000;
  double mean = 0, variance = 0, normal_mean = 0, second = 0, third = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform();
    REQUIRE((0 <= u && u < 1));
    mean += u / n;
    variance += (u - 0.5) * (u - 0.5) / n;
    const double z = rng.normal();
    normal_mean += z / n;
    second += z * z / n;
    third += z * z * z / n;
    fourth += z * z * z * z / n;
  }
  // Five standard errors of each.
  const double s = 5 / std::sqrt(n);
  CHECK(std::abs(mean - 0.5) <= s * std::sqrt(1.0 / 12));
  CHECK(std::abs(variance - 1.0 / 12) <= s * std::sqrt(1.0 / 180));
  CHECK(std::abs(normal_mean) <= s);
  CHECK(std::abs(second - 1) <= s * std::sqrt(2));
  CHECK(std::abs(third) <= s * std::sqrt(15));
  CHECK(std::abs(fourth - 3) <= s * std::sqrt(96));
}

TEST_CASE("random: below is uniform and stays below") {
  Rng rng(2);
  CHECK(rng.below(1) == 0);
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts.at(static_cast<std::size_t>(rng.below(7)));
  CHECK(chi_squared(counts, 10'000) <= chi_squared_bound(6));
  // A range for which plain % would put 56 % into the lower half: 2^64 is 8/3 of it.
  const Index n = Index{3} << 61;
  int lower = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Index x = rng.below(n);
    REQUIRE((0 <= x && x < n));
    lower += x < n / 2;
  }
  CHECK(std::abs(lower - 5000) <= 250);
}

TEST_CASE("random: every permutation is equally likely") {
  Rng rng(3);
  std::vector<int> counts(4 * 4 * 4 * 4);
  const int n = 24'000;
  std::array<std::int32_t, 4> order{};
  for (int i = 0; i < n; ++i) {
    rng.permutation(order);
    std::size_t code = 0;
    for (const std::int32_t x : order) code = code * 4 + static_cast<std::size_t>(x);
    ++counts.at(code);
  }
  std::vector<int> seen;
  for (const int c : counts) {
    if (c > 0) seen.push_back(c);
  }
  CHECK(seen.size() == 24);
  CHECK(chi_squared(seen, n / 24.0) <= chi_squared_bound(23));
}

TEST_CASE("random: a permutation holds every number once") {
  Rng rng(4);
  std::vector<std::int32_t> order(1000);
  rng.permutation(order);
  CHECK(std::set<std::int32_t>(order.begin(), order.end()).size() == 1000);
  CHECK(*std::max_element(order.begin(), order.end()) == 999);
  rng.permutation({});
}

TEST_CASE("random: splits are new streams and leave their parent's numbers alone") {
  Rng parent(5);
  const std::uint64_t first = Rng(5).bits();
  std::set<std::uint64_t> firsts;
  for (int i = 0; i < 1000; ++i) {
    Rng child = parent.split();
    firsts.insert(child.bits());
    firsts.insert(child.split().bits());
  }
  CHECK(firsts.size() == 2000);
  CHECK(parent.bits() == first);
  CHECK(firsts.count(first) == 0);
}

TEST_CASE("random: a parent and its splits are uncorrelated") {
  Rng a(6);
  Rng b = a.split();
  Rng c = a.split();
  const int n = 50'000;
  double ab = 0, bc = 0;
  for (int i = 0; i < n; ++i) {
    const double x = a.normal();
    const double y = b.normal();
    const double z = c.normal();
    ab += x * y / n;
    bc += y * z / n;
  }
  CHECK(std::abs(ab) <= 5 / std::sqrt(n));
  CHECK(std::abs(bc) <= 5 / std::sqrt(n));
}

TEST_CASE("random: tensors hold the same numbers in every scalar type") {
  Rng a(7);
  Rng b(7);
  const auto floats = a.normal<float>({3, 4}, 0.5);
  const auto doubles = b.normal<double>({3, 4}, 0.5);
  for (Index i = 0; i < 12; ++i) CHECK(floats[i] == static_cast<float>(doubles[i]));
  CHECK(a == b);
  const auto u = a.uniform<double>({1000}, -2, 3);
  CHECK(*std::min_element(u.begin(), u.end()) >= -2);
  CHECK(*std::max_element(u.begin(), u.end()) < 3);
  CHECK(*std::max_element(u.begin(), u.end()) > 2.9);
}

TEST_CASE("rng: a stream with the state of another goes on as that does") {
  Rng rng(3, 4);
  rng.bits();
  rng.split();
  rng.split();
  Rng same = Rng::from_state(rng.state());
  CHECK(same == rng);
  CHECK(same.bits() == rng.bits());
  CHECK(same.split().bits() == rng.split().bits());
  // The position alone is not enough: splits are counted too.
  Rng other(3, 4);
  other.seek(rng.position());
  CHECK_FALSE(other.split() == rng.split());
}
