#include "tensor/safetensors_header.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "tensor/error.h"
#include "tensor/shape.h"

namespace tapegrad::safetensors {
namespace {

constexpr std::uint64_t max_header = 100'000'000;
constexpr std::size_t alignment = 8;

// Receives the JSON text token by token and accepts nothing but the header's one structure. There
// is no document tree, so hostile nesting costs nothing: it ends at its first wrong bracket.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string_view file) : file_(file) {}

  Header take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_integer(number_integer_t x) override { unexpected(fmt::format("{}", x)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(text); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t x) override {
    if (place_ != Place::shape && place_ != Place::offsets) unexpected(fmt::format("{}", x));
    if (x > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) {
      fail("{} is more than any file can hold", x);
    }
    numbers_.push_back(static_cast<Index>(x));
    if (place_ == Place::shape && numbers_.size() > Shape::max_rank) {
      fail("the shape has more than {} axes", Shape::max_rank);
    }
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = text;
    } else if (place_ == Place::entry && key_ == "dtype") {
      header_.entries.back().dtype = text;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::names;
    } else if (place_ == Place::names) {
      place_ = key_ == metadata_key ? Place::metadata : Place::entry;
      if (place_ == Place::entry) header_.entries.emplace_back().name = key_;
      inner_keys_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& text) override {
    std::set<std::string>& keys = place_ == Place::names ? names_ : inner_keys_;
    if (!keys.insert(text).second) fail("the key \"{}\" stands there twice", text);
    if (place_ == Place::entry && text != "dtype" && text != "shape" && text != "data_offsets") {
      fail("the key \"{}\" is none of dtype, shape, data_offsets", text);
    }
    key_ = text;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) {
      for (const char* wanted : {"dtype", "shape", "data_offsets"}) {
        if (!inner_keys_.contains(wanted)) fail("{} is missing", wanted);
      }
    }
    place_ = place_ == Place::names ? Place::outside : Place::names;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::entry || key_ == "dtype") unexpected("an array");
    place_ = key_ == "shape" ? Place::shape : Place::offsets;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    Entry& entry = header_.entries.back();
    if (place_ == Place::shape) {
      entry.shape = numbers_;
    } else {
      if (numbers_.size() != 2) fail("data_offsets has {} numbers, not 2", numbers_.size());
      entry.begin = numbers_[0];
      entry.end = numbers_[1];
    }
    place_ = Place::entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    throw FormatError(
        fmt::format("{}: the header is not JSON in UTF-8, as its byte {} shows", file_, position));
  }

 private:
  enum class Place { outside, names, metadata, entry, shape, offsets };

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    throw FormatError(fmt::format("{}: {}: {}", file_, subject(),
                                  fmt::format(text, std::forward<Args>(args)...)));
  }

  // Called where `found` stands although the format wants something else.
  [[noreturn]] void unexpected(std::string_view found) const {
    switch (place_) {
      case Place::outside:
        fail("is {}, not an object", found);
      case Place::names:
        throw FormatError(
            fmt::format("{}: {}: is {}, not an object", file_, describe(key_), found));
      case Place::metadata:
        fail("\"{}\" is {}, not a string", key_, found);
      case Place::entry:
        fail("{} is {}, not {}", key_, found, key_ == "dtype" ? "a string" : "an array");
      case Place::shape:
      case Place::offsets:
        fail("{} holds {}, not only whole numbers >= 0", key_, found);
    }
    std::abort();
  }

  static std::string describe(const std::string& name) {
    return name == metadata_key ? name : fmt::format("tensor \"{}\"", name);
  }

  std::string subject() const {
    if (place_ == Place::outside || place_ == Place::names) return "the header";
    return place_ == Place::metadata ? metadata_key : describe(header_.entries.back().name);
  }

  std::string_view file_;
  Header header_;
  Place place_ = Place::outside;
  std::set<std::string> names_;
  std::set<std::string> inner_keys_;  // of the entry or the metadata being read
  std::string key_;
  std::vector<Index> numbers_;
};

// A JSON string. The text is put together without nlohmann's document tree: when memory runs out
// while that grows, its destructor ends the program.
std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw FormatError("safetensors: a name or metadata text is not UTF-8");
  }
}

}  // namespace

std::string_view header_text(std::span<const std::byte> bytes, std::string_view file) {
  if (bytes.size() < length_size) {
    throw FormatError(
        fmt::format("{}: {} bytes are too few for a safetensors file, whose first 8 "
                    "are the header's length",
                    file, bytes.size()));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_size);
  if (length > max_header) {
    throw FormatError(fmt::format(
        "{}: no safetensors file, or damaged: the header would have {} bytes, more than the {} "
        "allowed",
        file, length, max_header));
  }
  if (length > bytes.size() - length_size) {
    throw FormatError(fmt::format("{}: the header would have {} bytes, but only {} follow", file,
                                  length, bytes.size() - length_size));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + length_size, length);
  if (text.empty() || text.front() != '{') {
    throw FormatError(fmt::format("{}: the header does not start with '{{'", file));
  }
  // A zero byte would end the text for the JSON parser and hide what follows it.
  if (const std::size_t zero = text.find('\0'); zero != text.npos) {
    throw FormatError(fmt::format("{}: the header has a zero byte at {}", file, zero));
  }
  return text;
}

Header parse_header(std::string_view text, std::string_view file) {
  HeaderReader reader(file);
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  return reader.take();
}

std::string serialize_header(const Header& header) {
  std::vector<std::string> parts;
  if (!header.metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : header.metadata)
      pairs.push_back(quoted(key) + ":" + quoted(value));
    parts.push_back(fmt::format("\"{}\":{{{}}}", metadata_key, fmt::join(pairs, ",")));
  }
  for (const Entry& e : header.entries) {
    parts.push_back(fmt::format(R"({}:{{"dtype":{},"shape":[{}],"data_offsets":[{},{}]}})",
                                quoted(e.name), quoted(e.dtype), fmt::join(e.shape, ","), e.begin,
                                e.end));
  }
  std::string text = fmt::format("{{{}}}", fmt::join(parts, ","));
  text.append((alignment - text.size() % alignment) % alignment, ' ');
  if (text.size() > max_header) {
    throw FormatError(fmt::format("safetensors: the header has {} bytes, more than the {} allowed",
                                  text.size(), max_header));
  }
  return text;
}

}  // namespace tapegrad::safetensors
