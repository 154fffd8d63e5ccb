#include "tensor/checksums.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "tensor/error.h"
#include "tensor/sha256.h"

namespace tapegrad {
namespace {

// Sorts behind what begins with a letter or a digit, and one byte is the smallest of numbers: the
// tensor comes last in the file.
constexpr const char* checksums_name = "~sha256";
constexpr std::size_t digest_size = sizeof(Sha256);

// A digest for every tensor but the checksums, then room for the whole file's.
StoredTensor checksums_of(const Safetensors& file) {
  StoredTensor all{"U8", {}, {}};
  for (const auto& [name, tensor] : file.tensors) {
    if (name == checksums_name) continue;
    const Sha256 digest = sha256(tensor.bytes);
    all.bytes.insert(all.bytes.end(), digest.begin(), digest.end());
  }
  all.bytes.resize(all.bytes.size() + digest_size);
  all.shape = {std::ssize(all.bytes) / Index{digest_size}, Index{digest_size}};
  return all;
}

// Whether the file's last bytes are the checksum of those before them.
bool is_whole(std::span<const std::byte> bytes) {
  if (bytes.size() < digest_size) return false;
  const auto body = bytes.first(bytes.size() - digest_size);
  return std::ranges::equal(sha256(body), bytes.last(digest_size));
}

// Why a file that is not whole is not; throws the parser's error when its structure already shows
// that.
std::string describe_damage(std::span<const std::byte> bytes, std::string_view name) {
  const Safetensors file = parse_safetensors(bytes, name);
  const auto stored = file.tensors.find(checksums_name);
  const StoredTensor actual = checksums_of(file);
  if (stored == file.tensors.end() || stored->second.shape != actual.shape) {
    return "it has no checksums of its tensors: it was not written with any, or its header is "
           "damaged";
  }
  std::size_t place = 0;
  for (const auto& [tensor, value] : file.tensors) {
    if (tensor == checksums_name) continue;
    if (!std::equal(actual.bytes.begin() + static_cast<Index>(place),
                    actual.bytes.begin() + static_cast<Index>(place + digest_size),
                    stored->second.bytes.begin() + static_cast<Index>(place))) {
      return fmt::format("tensor \"{}\" or its checksum is damaged", tensor);
    }
    place += digest_size;
  }
  return "the header or the last checksum is damaged";
}

}  // namespace

std::vector<std::byte> serialize_with_checksums(Safetensors file) {
  if (file.tensors.contains(checksums_name)) {
    throw FormatError(fmt::format("tensor \"{}\": the name is reserved", checksums_name));
  }
  for (const auto& [name, tensor] : file.tensors) {
    const bool smallest = !tensor.bytes.empty() && tensor.shape.size() == std::ssize(tensor.bytes);
    if (smallest && name > checksums_name) {
      throw FormatError(
          fmt::format("tensor \"{}\": would follow \"{}\", which ends the file; call it something "
                      "that begins with a letter",
                      name, checksums_name));
    }
  }
  file.tensors[checksums_name] = checksums_of(file);
  std::vector<std::byte> bytes = serialize_safetensors(file);
  const std::span body(bytes.data(), bytes.size() - digest_size);
  std::ranges::copy(sha256(body), bytes.end() - Index{digest_size});
  return bytes;
}

Safetensors parse_with_checksums(std::span<const std::byte> bytes, std::string_view name) {
  if (!is_whole(bytes)) {
    throw FormatError(fmt::format("{}: {}", name, describe_damage(bytes, name)));
  }
  Safetensors file = parse_safetensors(bytes, name);
  if (file.tensors.erase(checksums_name) == 0) {
    throw FormatError(fmt::format("{}: it has no checksums", name));
  }
  return file;
}

}  // namespace tapegrad
