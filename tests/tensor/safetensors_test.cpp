#include "tensor/safetensors.h"

#include <cstring>
#include <limits>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::byte>;

Bytes file_with_length(std::uint64_t length, const std::string& header, std::size_t data) {
  Bytes bytes(sizeof length + header.size() + data, std::byte{1});
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + sizeof length, header.data(), header.size());
  return bytes;
}

// A file of this header and `data` bytes behind it.
Bytes file(const std::string& header, std::size_t data) {
  return file_with_length(header.size(), header, data);
}

// What reading the bytes throws; "" when they are a valid file.
std::string error_of(const Bytes& bytes) {
  try {
    parse_safetensors(bytes, "f");
  } catch (const FormatError& e) {
    return e.what();
  }
  return "";
}

// A header whose only tensor, "a", is described by the three values.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

// Two U8 vectors.
std::string two(const std::string& a_shape, const std::string& a, const std::string& b_shape,
                const std::string& b) {
  return R"({"a":{"dtype":"U8","shape":)" + a_shape + R"(,"data_offsets":)" + a +
         R"(},"b":{"dtype":"U8","shape":)" + b_shape + R"(,"data_offsets":)" + b + "}}";
}

Safetensors sample() {
  Safetensors st;
  st.metadata["by"] = "tests \"quoted\" \xc3\xa9";
  st.add<float>("weight", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6.5F}));
  st.add<double>("bias", Tensor<double>(Shape{}, 0.1));
  st.add<float>("empty", Tensor<float>({0, 3}));
  st.tensors["labels"] = {"I64", {1}, Bytes(8, std::byte{0xff})};
  return st;
}

struct Malformed {
  std::string header;
  std::size_t data;
  std::string error;  // a part of it
};

}  // namespace

TEST_CASE("safetensors: what is serialized is parsed back") {
  const Safetensors st = sample();
  const Bytes bytes = serialize_safetensors(st);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(parse_safetensors(bytes, "f") == st);
  CHECK(serialize_safetensors(Safetensors{}).size() == 16);
  CHECK(parse_safetensors(serialize_safetensors(Safetensors{}), "f") == Safetensors{});
}

TEST_CASE("safetensors: the bytes of a file are pinned") {
  Safetensors st;
  st.metadata["k"] = "v";
  st.add<float>("b", Tensor<float>({1}, {1}));
  st.add<float>("a", Tensor<float>({1}, {2}));
  const Bytes bytes = serialize_safetensors(st);
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  CHECK(text.substr(8) ==
        R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
        R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"
        "    " +
            std::string("\0\0\0\x40\0\0\x80\x3f", 8));
}

TEST_CASE("safetensors: numbers keep their bits, NaN too") {
  Safetensors st;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor<double> x({5}, {0.1, -0.0, 5e-324, nan, std::numeric_limits<double>::infinity()});
  st.add<double>("x", x);
  const auto y = parse_safetensors(serialize_safetensors(st), "f").at("x").as<double>();
  CHECK(std::memcmp(x.data(), y.data(), 5 * sizeof(double)) == 0);
}

TEST_CASE("safetensors: numbers convert between the scalar types") {
  const Safetensors st = sample();
  CHECK(st.at("weight").as<double>() == Tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6.5}));
  CHECK(st.at("bias").as<float>() == Tensor<float>(Shape{}, 0.1F));
  CHECK(st.at("empty").as<float>().shape() == Shape{0, 3});
  CHECK(test::error_of<FormatError>([&] { st.at("labels").as<float>(); }) ==
        "tensor: stored as I64, but F32 or F64 is needed");
}

TEST_CASE("safetensors: integers of three types are read") {
  CHECK(sample().at("labels").integers() == std::vector<std::int64_t>{-1});
  const StoredTensor i32{"I32", {2}, Bytes(8, std::byte{0xff})};
  CHECK(i32.integers() == std::vector<std::int64_t>{-1, -1});
  const StoredTensor u8{"U8", {2}, Bytes(2, std::byte{0xff})};
  CHECK(u8.integers() == std::vector<std::int64_t>{255, 255});
  CHECK(test::error_of<FormatError>([] { sample().at("weight").integers(); }) ==
        "tensor: stored as F32, but I64, I32 or U8 is needed");
}

TEST_CASE("safetensors: an unknown name is answered with the known ones") {
  CHECK(test::error_of<FormatError>([] { sample().at("wieght"); }) ==
        "there is no tensor \"wieght\"; there are: bias, empty, labels, weight");
  CHECK(test::error_of<FormatError>([] { Safetensors{}.at("x"); }) ==
        "there is no tensor \"x\"; there are: none");
}

TEST_CASE("safetensors: unusual but legal files are read") {
  CHECK(error_of(file("{}", 0)) == "");
  CHECK(error_of(file("{}      ", 0)) == "");
  CHECK(error_of(file(R"({"__metadata__":{}})", 0)) == "");
  CHECK(error_of(file(one(R"("U8")", "[]", "[0,1]"), 1)) == "");
  CHECK(error_of(file(one(R"("F32")", "[0]", "[0,0]"), 0)) == "");
  CHECK(error_of(file(one(R"("BF16")", "[1,1,1,1,1,3]", "[0,6]"), 6)) == "");
  CHECK(error_of(file(two("[2]", "[1,3]", "[1]", "[0,1]"), 3)) == "");  // not in name order
  CHECK(error_of(file(two("[0]", "[2,2]", "[2]", "[0,2]"), 2)) == "");
  const auto st = parse_safetensors(file(R"({ "\u00e9" : {"shape":[],"data_offsets":[0,1],)"
                                         R"("dtype":"U8"}})",
                                         1),
                                    "f");
  CHECK(st.tensors.contains("\xc3\xa9"));
}

TEST_CASE("safetensors: malformed headers are refused") {
  const std::string u8 = R"("U8")";
  const std::string f32 = R"("F32")";
  const std::string big = "4611686018427387904";  // 2^62
  const std::vector<Malformed> cases = {
      // not the one structure the header has
      {"", 0, "does not start with '{'"},
      {" {}", 0, "does not start with '{'"},
      {"[]", 0, "does not start with '{'"},
      {"\xef\xbb\xbf{}", 0, "does not start with '{'"},
      {"{", 0, "not JSON"},
      {"{}}", 0, "not JSON"},
      {"{} x", 0, "not JSON"},
      {std::string("{}\0 ", 4), 0, "zero byte at 2"},
      {R"({"a":})", 0, "not JSON"},
      {R"({"__metadata__":{},})", 0, "not JSON"},
      {"{/**/}", 0, "not JSON"},
      {"{\"\xff\":{}}", 0, "not JSON"},
      {R"({"\ud800":{}})", 0, "not JSON"},
      {R"({"a":1})", 0, "tensor \"a\": is 1, not an object"},
      {R"({"a":null})", 0, "is null, not an object"},
      {R"({"a":"x"})", 0, "is a string, not an object"},
      {R"({"a":[]})", 0, "is an array, not an object"},
      {R"({"a":{}})", 0, "tensor \"a\": dtype is missing"},
      {R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0, "shape is missing"},
      {R"({"a":{"dtype":"U8","shape":[0]}})", 0, "data_offsets is missing"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", 0, "the key \"x\""},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "twice"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
       R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       0, "the header: the key \"a\" stands there twice"},
      // metadata
      {R"({"__metadata__":"x"})", 0, "__metadata__: is a string, not an object"},
      {R"({"__metadata__":null})", 0, "is null, not an object"},
      {R"({"__metadata__":{"k":1}})", 0, "__metadata__: \"k\" is 1, not a string"},
      {R"({"__metadata__":{"k":{}}})", 0, "\"k\" is an object, not a string"},
      {R"({"__metadata__":{"k":["v"]}})", 0, "\"k\" is an array, not a string"},
      {R"({"__metadata__":{"k":"v","k":"v"}})", 0, "the key \"k\" stands there twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
      // dtype
      {one("3", "[1]", "[0,1]"), 1, "dtype is 3, not a string"},
      {one("[]", "[1]", "[0,1]"), 1, "dtype is an array, not a string"},
      {one("{}", "[1]", "[0,1]"), 1, "dtype is an object, not a string"},
      {one(R"("F31")", "[1]", "[0,4]"), 4, "the type \"F31\" is unknown"},
      {one(R"("f32")", "[1]", "[0,4]"), 4, "the type \"f32\" is unknown"},
      {one(R"("")", "[1]", "[0,4]"), 4, "the type \"\" is unknown"},
      // shape
      {one(u8, "1", "[0,1]"), 1, "shape is 1, not an array"},
      {one(u8, "null", "[0,1]"), 1, "shape is null, not an array"},
      {one(u8, "[-1]", "[0,1]"), 1, "shape holds -1"},
      {one(f32, "[0,1152921504606846976,16]", "[0,0]"), 0,
       "tensor \"a\": shape [0, 1152921504606846976, 16] has more elements than can be counted"},
      {one(u8, "[1.0]", "[0,1]"), 1, "shape holds 1.0"},
      {one(u8, "[1e0]", "[0,1]"), 1, "shape holds 1e0"},
      {one(u8, R"(["1"])", "[0,1]"), 1, "shape holds a string"},
      {one(u8, "[true]", "[0,1]"), 1, "shape holds a boolean"},
      {one(u8, "[[1]]", "[0,1]"), 1, "shape holds an array"},
      {one(u8, "[1,1,1,1,1,1,1]", "[0,1]"), 1, "more than 6 axes"},
      {one(u8, "[9223372036854775808]", "[0,1]"), 1, "more than any file can hold"},
      {one(u8, "[18446744073709551617]", "[0,1]"), 1, "shape holds 18446744073709551617"},
      {one(u8, "[4294967296,4294967296]", "[0,0]"), 0, "more bytes than can be counted"},
      {one(f32, "[" + big + "]", "[0,0]"), 0, "more bytes than can be counted"},
      {one(u8, "[4294967296,4294967296,0]", "[0,0]"), 0, "more bytes than can be counted"},
      // offsets
      {one(u8, "[1]", "0"), 1, "data_offsets is 0, not an array"},
      {one(u8, "[1]", "{}"), 1, "data_offsets is an object, not an array"},
      {one(u8, "[1]", "[0]"), 1, "data_offsets has 1 numbers, not 2"},
      {one(u8, "[1]", "[0,1,2]"), 1, "data_offsets has 3 numbers, not 2"},
      {one(u8, "[1]", "[-1,0]"), 1, "data_offsets holds -1"},
      {one(u8, "[1]", "[0,1.5]"), 1, "data_offsets holds 1.5"},
      {one(u8, "[1]", "[1,0]"), 1, "should begin at 0"},
      {one(u8, "[1]", "[0," + big + "]"), 1, "the tensors take " + big + " bytes, but 1 follow"},
      {one(u8, "[2]", "[0,1]"), 1, "shape [2] of U8 takes 2 bytes, but data_offsets [0, 1] span 1"},
      {one(f32, "[1]", "[0,3]"), 3, "shape [1] of F32 takes 4 bytes"},
      {one(u8, "[1]", "[0,1]"), 0, "the tensors take 1 bytes, but 0 follow"},
      {one(u8, "[1]", "[0,1]"), 2, "the tensors take 1 bytes, but 2 follow"},
      {"{}", 1, "the tensors take 0 bytes, but 1 follow"},
      {two("[1]", "[0,1]", "[1]", "[0,1]"), 1, "should begin at 1"},
      {two("[2]", "[0,2]", "[2]", "[1,3]"), 3, "should begin at 2"},
      {two("[3]", "[3,0]", "[0]", "[0,0]"), 0, "should begin at 0"},
  };
  CHECK(cases.size() >= 40);
  for (const Malformed& c : cases) {
    CAPTURE(c.header, c.data);
    CHECK_THAT(error_of(file(c.header, c.data)), Catch::Matchers::Contains(c.error));
    CHECK(error_of(file(c.header, c.data)).rfind("f: ", 0) == 0);
  }
}

TEST_CASE("safetensors: a hole between tensors is refused") {
  CHECK(error_of(file(two("[1]", "[0,1]", "[1]", "[2,3]"), 3)) ==
        "f: tensor \"b\": data_offsets [2, 3] should begin at 1, where the one before ends");
}

TEST_CASE("safetensors: a header length that the file cannot have is refused") {
  const std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  CHECK(error_of(file_with_length(huge, "{}", 0)) ==
        "f: no safetensors file, or damaged: the header would have 18446744073709551615 bytes, "
        "more than the 100000000 allowed");
  CHECK(error_of(file_with_length(100'000'001, "{}", 0)) ==
        "f: no safetensors file, or damaged: the header would have 100000001 bytes, more than the "
        "100000000 allowed");
  CHECK(error_of(file_with_length(100'000'000, "{}", 0)) ==
        "f: the header would have 100000000 bytes, but only 2 follow");
  CHECK(error_of(file_with_length(3, "{}", 0)) ==
        "f: the header would have 3 bytes, but only 2 follow");
  CHECK(error_of(Bytes(7)) ==
        "f: 7 bytes are too few for a safetensors file, whose first 8 are the header's length");
}

TEST_CASE("safetensors: deep nesting is refused, not followed") {
  const std::size_t depth = 200'000;
  const auto repeat = [&](const std::string& text) {
    std::string all;
    for (std::size_t i = 0; i < depth; ++i) all += text;
    return all;
  };
  CHECK(error_of(file(repeat(R"({"a":)"), 0)) != "");
  CHECK(error_of(file(R"({"a":)" + repeat("["), 0)) != "");
  CHECK(error_of(file(one(R"("U8")", repeat("["), "[0,1]"), 1)) != "");
}

TEST_CASE("safetensors: every truncation is refused") {
  const Bytes whole = serialize_safetensors(sample());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(error_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))) != "");
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  CHECK(error_of(longer) != "");
}

TEST_CASE("safetensors: a flipped bit in the length is refused") {
  const Bytes whole = serialize_safetensors(sample());
  for (std::size_t bit = 0; bit < 64; ++bit) {
    CAPTURE(bit);
    Bytes bytes = whole;
    bytes[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    CHECK(error_of(bytes) != "");
  }
}

TEST_CASE("safetensors: a flipped bit in the header is refused or gives a file that is valid") {
  const Bytes whole = serialize_safetensors(sample());
  int refused = 0;
  int bits = 0;
  const std::size_t data = 24 + 8 + 8;  // bytes of the sample's numbers
  for (std::size_t i = 8; i < whole.size() - data; ++i) {
    for (int bit = 0; bit < 8; ++bit, ++bits) {
      Bytes bytes = whole;
      bytes[i] ^= std::byte{1} << bit;
      try {
        const Safetensors st = parse_safetensors(bytes, "f");
        CHECK(parse_safetensors(serialize_safetensors(st), "f") == st);
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > bits / 2);
}

TEST_CASE("safetensors: what could not be read back is not written") {
  Safetensors st;
  st.tensors["x"] = {"F32", {3}, Bytes(11)};
  CHECK(test::error_of<FormatError>([&] { serialize_safetensors(st); }) ==
        "tensor \"x\": shape [3] of F32 takes 12 bytes, but there are 11");
  CHECK_THROWS_AS(st.at("x").as<float>(), FormatError);
  st.tensors["x"] = {"float", {1}, Bytes(4)};
  CHECK(test::error_of<FormatError>([&] { serialize_safetensors(st); }) ==
        "tensor \"x\": the type \"float\" is unknown");
  st.tensors = {{"__metadata__", {"U8", {1}, Bytes(1)}}};
  CHECK(test::error_of<FormatError>([&] { serialize_safetensors(st); }) ==
        "tensor \"__metadata__\": the name is reserved by the format");
  st.tensors = {{"\xff", {"U8", {1}, Bytes(1)}}};
  CHECK(test::error_of<FormatError>([&] { serialize_safetensors(st); }) ==
        "safetensors: a name or metadata text is not UTF-8");
}

TEST_CASE("safetensors: files on the disk") {
  const fs::path path = fs::temp_directory_path() / "tapegrad_safetensors_test.safetensors";
  write_safetensors(path, sample());
  CHECK(read_safetensors(path) == sample());
  Safetensors bad;
  bad.tensors["x"] = {"F32", {3}, Bytes(11)};
  CHECK_THROWS_AS(write_safetensors(path, bad), FormatError);
  CHECK(read_safetensors(path) == sample());
  fs::resize_file(path, 20);
  CHECK_THAT(test::error_of<FormatError>([&] { read_safetensors(path); }),
             Catch::Matchers::StartsWith(path.string() + ": the header would have "));
  fs::remove(path);
  CHECK_THROWS_AS(read_safetensors(path), FileError);
}

TEST_CASE("safetensors: an empty tensor may begin where another does") {
  const std::string header = R"({"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                             R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  std::vector<std::byte> bytes(8);
  bytes[0] = static_cast<std::byte>(header.size());
  for (const char c : header + "1234") bytes.push_back(static_cast<std::byte>(c));
  CHECK(parse_safetensors(bytes, "f").tensors.size() == 2);
}

TEST_CASE("safetensors: tensors that nobody asked for are not alike") {
  Safetensors wanted, found;
  wanted.add<float>("a", Tensor<float>({2}));
  found = wanted;
  CHECK_NOTHROW(require_alike(found, wanted, "state"));
  found.add<float>("b", Tensor<float>({1}));
  CHECK_THROWS_WITH(require_alike(found, wanted, "state"), "state: nothing here is called \"b\"");
}

TEST_CASE("safetensors: tensors of another type are not alike") {
  Safetensors wanted, found;
  wanted.add<float>("a", Tensor<float>({2}));
  found.add<double>("a", Tensor<double>({2}));
  CHECK_THROWS_WITH(require_alike(found, wanted, "state"),
                    "state: \"a\" is F64 [2], but F32 [2] is needed");
}
