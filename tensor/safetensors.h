// Tensors in files, in the safetensors format, which PyTorch, NumPy and others read and write.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace tapegrad {

/// One tensor as stored: its type as the format spells it ("F32", "F64", "I64", ...), its shape and
/// its numbers, row-major and little-endian.
struct StoredTensor {
  std::string dtype;
  Shape shape;
  std::vector<std::byte> bytes;

  /// The numbers of an F32 or F64 tensor, converted to T. Throws FormatError for other types.
  template <Real T>
  Tensor<T> as() const;

  /// The numbers of an I64, I32 or U8 tensor. Throws FormatError for other types.
  std::vector<std::int64_t> integers() const;

  friend bool operator==(const StoredTensor&, const StoredTensor&) = default;
};

/// What a safetensors file holds: named tensors, and text about them.
struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::map<std::string, StoredTensor> tensors;

  /// Stores a copy of the numbers as F32 or F64, whichever T is, in place of any of that name.
  template <Real T>
  void add(const std::string& name, View<const T> numbers);

  /// Stores a row of whole numbers as I64, in place of any of that name.
  void add_integers(const std::string& name, std::span<const std::int64_t> numbers);

  /// The tensor of that name. Throws FormatError with the names there are when there is none.
  const StoredTensor& at(const std::string& name) const;

  friend bool operator==(const Safetensors&, const Safetensors&) = default;
};

/// Throws FormatError, beginning with `what`, when tensors of `wanted` are missing in `found`, have
/// another type or shape there, or others are left over; names the first one.
void require_alike(const Safetensors& found, const Safetensors& wanted, std::string_view what);

/// Reads a whole file. Throws FileError when it cannot be read and FormatError, with the path, the
/// tensor and the numbers that are wrong, when it deviates from the format in any way: no number in
/// it is believed before it is checked. Rank is at most 6, as for every tensor here.
/// Source: https://huggingface.co/docs/safetensors
Safetensors read_safetensors(const std::filesystem::path& path);

/// The same from memory; `name` is what errors call the file.
Safetensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name);

/// The file's bytes: tensors by the size of their numbers, largest first, then by name; each is
/// aligned to that size. Throws FormatError for what could not be read back: a tensor whose bytes
/// do not match its type and shape, a name that is reserved or not UTF-8, a header of more than
/// 100,000,000 bytes.
std::vector<std::byte> serialize_safetensors(const Safetensors& file);

/// Replaces the file at `path`, all or nothing. Throws as serialize_safetensors and write_file do.
void write_safetensors(const std::filesystem::path& path, const Safetensors& file);

}  // namespace tapegrad
