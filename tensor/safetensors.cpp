#include "tensor/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors_header.h"

namespace tapegrad {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using safetensors::Entry;
using safetensors::Header;
using safetensors::metadata_key;

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

// The tensors as the file has them, end to end.
Header header_of(const Safetensors& file) {
  Header header{file.metadata, {}};
  Index begin = 0;
  for (const Named* entry : in_file_order(file)) {
    const auto& [name, tensor] = *entry;
    const Index end = begin + checked_size(name, tensor);
    header.entries.push_back(
        {name, tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}, begin, end});
    begin = end;
  }
  return header;
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
  const std::string_view text = safetensors::header_text(bytes, name);
  const auto data = bytes.subspan(safetensors::length_size + text.size());
  Header header = safetensors::parse_header(text, name);
  require_contiguous(header.entries, std::ssize(data), name);
  Safetensors file{std::move(header.metadata), {}};
  for (const Entry& entry : header.entries) file.tensors[entry.name] = load(entry, data, name);
  return file;
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path.string());
}

std::vector<std::byte> serialize_safetensors(const Safetensors& file) {
  const std::string header = safetensors::serialize_header(header_of(file));
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
