// Files that are read and written whole, with errors that name the path and the reason.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/scalar.h"

namespace tapegrad {

/// A regular file open for reading. Every function throws FileError with the path and the system's
/// reason; a directory, a device or a pipe is refused (an std::ifstream opens all three).
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Bytes in the file when it was opened.
  Index size() const { return size_; }

  /// Fills `bytes` with what stands from `offset` on; throws when the file ends before that.
  void read(Index offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  Index size_ = 0;
};

/// Everything in a regular file. Throws FileError as InputFile does.
std::vector<std::byte> read_file(const std::filesystem::path& path);

/// Replaces `path` by `bytes`, all or nothing: written to a temporary file beside it, flushed to
/// the disk, then renamed. On any failure the old file stays, the temporary one is removed and
/// FileError names the path and the reason.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace tapegrad
