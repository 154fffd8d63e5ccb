// Files that are read and written whole, with errors that name the path and the reason.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
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

/// Whether there is something of that name, or something that cannot be looked at: reading it says
/// why.
bool may_exist(const std::filesystem::path& path);

/// Everything in a regular file. Throws FileError as InputFile does.
std::vector<std::byte> read_file(const std::filesystem::path& path);

/// Replaces `path` by `bytes`, all or nothing: written to a temporary file beside it, flushed to
/// the disk, then renamed, and the folder flushed. On any failure the temporary file is removed and
/// FileError names the path and the reason; the old file stays, unless it was the folder that could
/// not be flushed: then the new one is there, but may not survive a loss of power.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Throws FileError unless files can be made in the folder; now, and not after hours of work.
void require_writable(const std::filesystem::path& folder);

/// Throws FileError where write_file could not make or replace the file, as far as that shows
/// before: for what is no file, for links that lead nowhere, and for a folder in which no files can
/// be made.
void require_replaceable(const std::filesystem::path& file);

/// Keeps other processes from using a folder as this one does, as long as it lives: also a killed
/// process gives way. Where a file system knows no locks there is none.
class FolderLock {
 public:
  /// Throws FileError when the folder cannot be opened or another FolderLock holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  int descriptor_ = -1;
};

/// Removes the temporary files that write_file left in a folder when its process was killed.
/// Nobody may be writing there.
void remove_temporary_files(const std::filesystem::path& folder);

}  // namespace tapegrad
