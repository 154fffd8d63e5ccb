#include "tensor/checksums.h"

#include <cstring>

#include "tensor/error.h"
#include "tensor/random.h"
#include "tensor/sha256.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Contains;
using Bytes = std::vector<std::byte>;

namespace {

// Like a checkpoint: parameters, whole numbers, an empty history, metadata.
Safetensors example(Index rows = 12) {
  Rng rng(7);
  Safetensors file;
  file.metadata["step"] = "12";
  file.add<float>("0.weight", rng.normal<float>({rows, 9}, 1));
  file.add<float>("0.bias", rng.normal<float>({3}, 1));
  file.add<double>("trainer/history", Tensor<double>({0, 8}));
  file.add_integers("batches/number", std::vector<std::int64_t>{-3});
  return file;
}

std::string error_of(const Bytes& bytes) {
  try {
    parse_with_checksums(bytes, "a.safetensors");
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

Bytes flipped(Bytes bytes, std::size_t bit) {
  bytes[bit / 8] ^= std::byte(1 << (bit % 8));
  return bytes;
}

// Where a tensor's numbers begin in the file: those of "0.weight" do.
std::size_t place_of(const Bytes& bytes, const StoredTensor& tensor) {
  const auto found =
      std::search(bytes.begin(), bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
  return static_cast<std::size_t>(found - bytes.begin());
}

}  // namespace

TEST_CASE("checksums: what was written is read back, by any reader of the format") {
  const Safetensors file = example();
  const Bytes bytes = serialize_with_checksums(file);
  CHECK(parse_with_checksums(bytes, "a") == file);
  Safetensors plain = parse_safetensors(bytes, "a");
  CHECK(plain.at("~sha256").shape == Shape{5, 32});
  plain.tensors.erase("~sha256");
  CHECK(plain == file);
  CHECK(parse_with_checksums(serialize_with_checksums({}), "a") == Safetensors{});
}

TEST_CASE("checksums: the file ends with the SHA-256 of all before it") {
  const Bytes bytes = serialize_with_checksums(example());
  const std::span all(bytes);
  CHECK(std::ranges::equal(sha256(all.first(bytes.size() - 32)), all.last(32)));
}

TEST_CASE("checksums: every flipped bit and every truncation is refused") {
  const Bytes bytes = serialize_with_checksums(example());
  REQUIRE(bytes.size() > 800);
  REQUIRE(bytes.size() < 20'000);
  REQUIRE(error_of(bytes).empty());
  Index accepted = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    accepted += error_of(flipped(bytes, bit)).empty();
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    accepted += error_of(Bytes(bytes.begin(), bytes.begin() + static_cast<Index>(size))).empty();
  }
  CHECK(accepted == 0);
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  CHECK_FALSE(error_of(longer).empty());
}

TEST_CASE("checksums: without them flipped bits go unnoticed") {
  Safetensors file = example();
  const Bytes bytes = serialize_safetensors(file);
  const std::size_t weight = place_of(bytes, file.at("0.weight"));
  CHECK_FALSE(parse_safetensors(flipped(bytes, 8 * weight), "a") == file);  // and nothing thrown
}

TEST_CASE("checksums: the error says what is damaged") {
  const Safetensors file = example();
  const Bytes bytes = serialize_with_checksums(file);
  const std::size_t weight = place_of(bytes, file.at("0.weight"));
  CHECK(error_of(flipped(bytes, 8 * weight + 5)) ==
        "a.safetensors: tensor \"0.weight\" or its checksum is damaged");
  CHECK_THAT(error_of(flipped(bytes, 8 * bytes.size() - 1)),
             Contains("the header or the last checksum is damaged"));
  CHECK_THAT(error_of(Bytes(bytes.begin(), bytes.end() - 1)), Contains("bytes"));
  CHECK_THAT(error_of(serialize_safetensors(file)), Contains("it was not written with any"));
  CHECK_THAT(error_of({}), Contains("0 bytes are too few"));
}

TEST_CASE("checksums: no tensor may take their name or follow them") {
  Safetensors file = example();
  file.tensors["~sha256"] = {"U8", {1}, Bytes(1)};
  CHECK_THROWS_AS(serialize_with_checksums(file), FormatError);
  Safetensors behind = example();
  behind.tensors["\u00e9"] = {"U8", {1}, Bytes(1)};
  CHECK_THROWS_WITH(serialize_with_checksums(behind), Contains("would follow"));
  Safetensors before = example();
  before.tensors["a"] = {"U8", {1}, Bytes(1)};
  CHECK(parse_with_checksums(serialize_with_checksums(before), "a") == before);
}

TEST_CASE("checksums: any name may stand behind that of the checksums") {
  Safetensors file;
  file.add<float>("~zeta", Tensor<float>({1}, 2));
  file.tensors["\u00e9"] = {"U8", {0}, {}};
  CHECK(parse_with_checksums(serialize_with_checksums(file), "f") == file);
}
