// Checksums of files.
#pragma once

#include <filesystem>
#include <string>

namespace tapegrad::examples {

/// The SHA-256 of a file's bytes as 64 hexadecimal digits. Throws FileError.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace tapegrad::examples
