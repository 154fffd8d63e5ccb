#include "tensor/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tensor/error.h"

namespace tapegrad {
namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path, int error) {
  throw FileError(fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(error)));
}

void write_all(int descriptor, std::span<const std::byte> bytes,
               const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

// A name in the folder of `path` that nobody else uses, open for writing.
int open_temporary(const std::filesystem::path& path, std::string& name) {
  name = path.string() + ".XXXXXX.part";
  const int descriptor = ::mkostemps(name.data(), 5, O_CLOEXEC);
  if (descriptor < 0) fail("write", path, errno);
  return descriptor;
}

// A rename is on the disk only when its folder is.
void sync_folder(const std::filesystem::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail("open", path, errno);
  struct stat status {};
  const int error = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    if (error != 0) fail("open", path, error);
    throw FileError(fmt::format("cannot open {}: it is {}, not a file", path.string(),
                                S_ISDIR(status.st_mode) ? "a directory" : "a device or pipe"));
  }
  size_ = status.st_size;
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(Index offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(descriptor_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path_, errno);
    if (n == 0) {
      throw FileError(fmt::format("cannot read {}: it ended at byte {}, {} bytes early",
                                  path_.string(), offset, bytes.size()));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  const InputFile file(path);
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.size()));
  file.read(0, bytes);
  return bytes;
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::string temporary;
  int descriptor = open_temporary(path, temporary);
  try {
    write_all(descriptor, bytes, path);
    if (::fchmod(descriptor, 0644) != 0 || ::fsync(descriptor) != 0) fail("write", path, errno);
    const int closed = ::close(descriptor);
    descriptor = -1;
    if (closed != 0) fail("write", path, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("write", path, errno);
  } catch (...) {
    if (descriptor >= 0) ::close(descriptor);
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

}  // namespace tapegrad
