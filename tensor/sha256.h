// Checksums of bytes and files.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace tapegrad {

using Sha256 = std::array<std::byte, 32>;

/// The SHA-256 of the bytes. Source: FIPS 180-4.
Sha256 sha256(std::span<const std::byte> bytes);

/// A file's. Throws FileError.
Sha256 sha256_of_file(const std::filesystem::path& path);

/// 64 hexadecimal digits, as sha256sum prints them.
std::string to_hex(const Sha256& digest);

}  // namespace tapegrad
