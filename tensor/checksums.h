// Safetensors files that no damage escapes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/safetensors.h"

namespace tapegrad {

/// The file's bytes, with one more tensor, "~sha256" U8 [n + 1, 32]: the SHA-256 of each of its n
/// tensors, in the order of their names, then that of the whole file up to there. It comes last, so
/// the file ends with the checksum of everything before its last 32 bytes. Any reader of
/// safetensors reads the file. Throws as serialize_safetensors does, and FormatError when a tensor
/// has that name or would stand behind it.
std::vector<std::byte> serialize_with_checksums(Safetensors file);

/// What serialize_with_checksums was given. `name` is what errors call the file. Throws FormatError
/// for any other bytes, even if they differ in one bit alone, saying what is damaged and where.
Safetensors parse_with_checksums(std::span<const std::byte> bytes, std::string_view name);

}  // namespace tapegrad
