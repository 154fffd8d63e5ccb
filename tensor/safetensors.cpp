#include "tensor/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "tensor/error.h"
#include "tensor/file.h"

namespace tapegrad {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t length_size = 8;  // the file starts with the header's length
constexpr std::uint64_t max_header = 100'000'000;
constexpr std::size_t alignment = 8;
constexpr const char* metadata_key = "__metadata__";

struct Dtype {
  std::string_view name;
  Index size;  // bytes per element
};

constexpr Dtype dtypes[] = {{"BOOL", 1}, {"U8", 1},     {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                            {"I16", 2},  {"U16", 2},    {"F16", 2}, {"BF16", 2},    {"I32", 4},
                            {"U32", 4},  {"F32", 4},    {"I64", 8}, {"U64", 8},     {"F64", 8},
                            {"C64", 8},  {"F8_E8M0", 1}};

// 0 when the format has no such type.
Index size_of(std::string_view dtype) {
  const auto* found = std::find_if(std::begin(dtypes), std::end(dtypes),
                                   [=](const Dtype& d) { return d.name == dtype; });
  return found == std::end(dtypes) ? 0 : found->size;
}

template <class T>
constexpr const char* dtype_name = std::same_as<T, float> ? "F32" : "F64";

// ---- the header ----

// A tensor as its header entry describes it. begin and end count from the end of the header.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<Index> shape;
  Index begin = 0;
  Index end = 0;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::vector<Entry> entries;
};

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

// The header's text, once its length is known to be inside the file.
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
    throw FormatError(fmt::format("{}: the header would have {} bytes, more than the {} allowed",
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

// ---- one tensor against the numbers that describe it ----

// Bytes that a tensor takes; throws the error that `fail` makes of a text.
template <class F>
Index byte_count(std::string_view dtype, std::span<const Index> shape, F fail) {
  const Index size = size_of(dtype);
  if (size == 0) throw fail(fmt::format("the type \"{}\" is unknown", dtype));
  Index bytes = size;
  for (const Index n : shape) {
    if (__builtin_mul_overflow(bytes, n, &bytes)) {
      throw fail(fmt::format("shape [{}] of {} has more bytes than can be counted",
                             fmt::join(shape, ", "), dtype));
    }
  }
  return bytes;
}

StoredTensor load(const Entry& entry, std::span<const std::byte> data, std::string_view file) {
  const auto fail = [&](const std::string& reason) {
    return FormatError(fmt::format("{}: tensor \"{}\": {}", file, entry.name, reason));
  };
  if (entry.begin > entry.end || entry.end > std::ssize(data)) {
    throw fail(fmt::format("data_offsets [{}, {}] are not a range of the {} bytes of data",
                           entry.begin, entry.end, data.size()));
  }
  const Index size = byte_count(entry.dtype, entry.shape, fail);
  if (size != entry.end - entry.begin) {
    throw fail(fmt::format("shape [{}] of {} takes {} bytes, but data_offsets [{}, {}] span {}",
                           fmt::join(entry.shape, ", "), entry.dtype, size, entry.begin, entry.end,
                           entry.end - entry.begin));
  }
  const auto bytes =
      data.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(size));
  try {
    return {entry.dtype, Shape(std::span<const Index>(entry.shape)), {bytes.begin(), bytes.end()}};
  } catch (const ShapeError& error) {  // [0, 2^60] has no bytes, and yet is no shape
    throw fail(error.what());
  }
}

// In the order of their offsets, tensors must lie end to end from the first byte to the last: a
// file then has one meaning only, and no room to hide anything.
void require_contiguous(std::vector<Entry>& entries, Index data_size, std::string_view file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  Index at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      throw FormatError(fmt::format(
          "{}: tensor \"{}\": data_offsets [{}, {}] should begin at {}, where the one before ends",
          file, entry.name, entry.begin, entry.end, at));
    }
    at = entry.end;
  }
  if (at != data_size) {
    throw FormatError(fmt::format("{}: the tensors take {} bytes, but {} follow the header", file,
                                  at, data_size));
  }
}

// ---- writing ----

Index checked_size(const std::string& name, const StoredTensor& tensor) {
  const auto fail = [&](const std::string& reason) {
    return FormatError(fmt::format("tensor \"{}\": {}", name, reason));
  };
  if (name == metadata_key) throw fail("the name is reserved by the format");
  const std::span sizes(tensor.shape.begin(), tensor.shape.end());
  const Index size = byte_count(tensor.dtype, sizes, fail);
  if (size != std::ssize(tensor.bytes)) {
    throw fail(fmt::format("shape {} of {} takes {} bytes, but there are {}",
                           to_string(tensor.shape), tensor.dtype, size, tensor.bytes.size()));
  }
  return size;
}

using Named = std::pair<const std::string, StoredTensor>;

// The tensors as they lie in the file: larger numbers first, so that each is aligned to its size.
std::vector<const Named*> in_file_order(const Safetensors& file) {
  std::vector<const Named*> order;
  for (const Named& tensor : file.tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return size_of(a->second.dtype) > size_of(b->second.dtype);
  });
  return order;
}

// A JSON string. The text is put together without nlohmann's document tree: when memory runs out
// while that grows, its destructor ends the program.
std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw FormatError("safetensors: a name or metadata text is not UTF-8");
  }
}

std::string header_of(const Safetensors& file) {
  std::vector<std::string> parts;
  if (!file.metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : file.metadata)
      pairs.push_back(quoted(key) + ":" + quoted(value));
    parts.push_back(fmt::format("\"{}\":{{{}}}", metadata_key, fmt::join(pairs, ",")));
  }
  Index begin = 0;
  for (const Named* entry : in_file_order(file)) {
    const auto& [name, tensor] = *entry;
    const Index end = begin + checked_size(name, tensor);
    parts.push_back(fmt::format(R"({}:{{"dtype":{},"shape":[{}],"data_offsets":[{},{}]}})",
                                quoted(name), quoted(tensor.dtype), fmt::join(tensor.shape, ","),
                                begin, end));
    begin = end;
  }
  std::string text = fmt::format("{{{}}}", fmt::join(parts, ","));
  text.append((alignment - text.size() % alignment) % alignment, ' ');
  if (text.size() > max_header) {
    throw FormatError(fmt::format("safetensors: the header has {} bytes, more than the {} allowed",
                                  text.size(), max_header));
  }
  return text;
}

// ---- numbers ----

template <class From, class To>
void convert(const StoredTensor& from, std::span<To> to) {
  if (from.bytes.size() != to.size() * sizeof(From)) {
    throw FormatError(fmt::format("tensor: shape {} of {} takes {} bytes, but there are {}",
                                  to_string(from.shape), from.dtype, to.size() * sizeof(From),
                                  from.bytes.size()));
  }
  const std::byte* p = from.bytes.data();
  for (To& x : to) {
    From value;
    std::memcpy(&value, p, sizeof value);  // the bytes need not be aligned
    x = static_cast<To>(value);
    p += sizeof value;
  }
}

}  // namespace

template <Real T>
Tensor<T> StoredTensor::as() const {
  if (dtype != "F32" && dtype != "F64") {
    throw FormatError(fmt::format("tensor: stored as {}, but F32 or F64 is needed", dtype));
  }
  Tensor<T> out(shape);
  dtype == "F32" ? convert<float>(*this, out.span()) : convert<double>(*this, out.span());
  return out;
}

template Tensor<float> StoredTensor::as() const;
template Tensor<double> StoredTensor::as() const;

std::vector<std::int64_t> StoredTensor::integers() const {
  std::vector<std::int64_t> out(static_cast<std::size_t>(shape.size()));
  const std::span to(out);
  if (dtype == "I64") {
    convert<std::int64_t>(*this, to);
  } else if (dtype == "I32") {
    convert<std::int32_t>(*this, to);
  } else if (dtype == "U8") {
    convert<std::uint8_t>(*this, to);
  } else {
    throw FormatError(fmt::format("tensor: stored as {}, but I64, I32 or U8 is needed", dtype));
  }
  return out;
}

template <Real T>
void Safetensors::add(const std::string& name, View<const T> numbers) {
  const auto bytes = std::as_bytes(numbers.span());
  tensors[name] = {dtype_name<T>, numbers.shape(), {bytes.begin(), bytes.end()}};
}

template void Safetensors::add(const std::string&, View<const float>);
template void Safetensors::add(const std::string&, View<const double>);

void Safetensors::add_integers(const std::string& name, std::span<const std::int64_t> numbers) {
  const auto bytes = std::as_bytes(numbers);
  tensors[name] = {"I64", {std::ssize(numbers)}, {bytes.begin(), bytes.end()}};
}

const StoredTensor& Safetensors::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& entry : tensors) names.push_back(entry.first);
  throw FormatError(
      fmt::format("there is no tensor \"{}\"; there are: {}", name,
                  names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

void require_alike(const Safetensors& found, const Safetensors& wanted, std::string_view what) {
  const auto describe = [](const StoredTensor& t) {
    return fmt::format("{} {}", t.dtype, to_string(t.shape));
  };
  for (const auto& [name, tensor] : wanted.tensors) {
    const auto other = found.tensors.find(name);
    if (other == found.tensors.end()) {
      throw FormatError(fmt::format("{}: \"{}\" {} is missing", what, name, describe(tensor)));
    }
    if (other->second.dtype != tensor.dtype || other->second.shape != tensor.shape) {
      throw FormatError(fmt::format("{}: \"{}\" is {}, but {} is needed", what, name,
                                    describe(other->second), describe(tensor)));
    }
  }
  for (const auto& [name, tensor] : found.tensors) {
    if (wanted.tensors.contains(name)) continue;
    throw FormatError(fmt::format("{}: nothing here is called \"{}\"", what, name));
  }
}

Safetensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text = header_text(bytes, name);
  const auto data = bytes.subspan(length_size + text.size());
  Header header = parse_header(text, name);
  require_contiguous(header.entries, std::ssize(data), name);
  Safetensors file{std::move(header.metadata), {}};
  for (const Entry& entry : header.entries) file.tensors[entry.name] = load(entry, data, name);
  return file;
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path.string());
}

std::vector<std::byte> serialize_safetensors(const Safetensors& file) {
  const std::string header = header_of(file);
  const std::uint64_t length = header.size();
  std::size_t size = sizeof(length) + header.size();
  for (const auto& [name, tensor] : file.tensors) size += tensor.bytes.size();
  std::vector<std::byte> bytes(size);
  std::byte* end = bytes.data();
  const auto append = [&](std::span<const std::byte> more) {
    end = std::copy(more.begin(), more.end(), end);
  };
  append(std::as_bytes(std::span(&length, 1)));
  append(std::as_bytes(std::span(header)));
  for (const Named* tensor : in_file_order(file)) append(tensor->second.bytes);
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, const Safetensors& file) {
  write_file(path, serialize_safetensors(file));
}

}  // namespace tapegrad
