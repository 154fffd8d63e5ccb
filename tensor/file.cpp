#include "tensor/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "tensor/error.h"

namespace tapegrad {
namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path, int error) {
  throw FileError(fmt::format("cannot {} {}: {}", action, path.string(),
                              std::generic_category().message(error)));
}

[[noreturn]] void fail_not_a_file(const char* action, const std::filesystem::path& path,
                                  bool directory) {
  throw FileError(fmt::format("cannot {} {}: it is {}, not a file", action, path.string(),
                              directory ? "a directory" : "a device or pipe"));
}

int open_retrying(const std::filesystem::path& path, int flags) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), flags, 0666);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

// Whether the file's bytes are on the disk. Only an interruption is tried again: after any other
// failure the system may have dropped them and would report success.
bool synced(int descriptor) {
  while (::fsync(descriptor) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

void write_all(int descriptor, std::span<const std::byte> bytes,
               const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path, errno);
    if (n == 0) fail("write", path, ENOSPC);  // no error and no progress: never wait for ever
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

// Writing past the process's limit, the system would send a signal that ends it.
void require_within_limit(std::size_t bytes, const std::filesystem::path& path) {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur) fail("write", path, EFBIG);
}

constexpr std::string_view temporary_begin = ".tapegrad-";
constexpr std::string_view temporary_end = ".part";

// A file in `folder` that nobody else uses, open for writing; its name does not depend on the
// target's, which may be as long as names get.
int open_temporary(const std::filesystem::path& folder, std::filesystem::path& name,
                   const std::filesystem::path& target) {
  for (int i = 0;; ++i) {
    name = folder / fmt::format("{}{}-{}{}", temporary_begin, ::getpid(), i, temporary_end);
    const int descriptor = open_retrying(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    if (descriptor >= 0) return descriptor;
    if (errno != EEXIST) fail("write", target, errno);
  }
}

// Where a file of that name really is, or is to be: behind links, so that a link is not replaced by
// a file. Refuses to replace what is no file.
std::filesystem::path resolve_target(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail_not_a_file("write", path, std::filesystem::is_directory(status));
  }
  constexpr int most_links = 40;  // as the system has it
  std::filesystem::path target = path;
  for (int i = 0; std::filesystem::is_symlink(target, error); ++i) {
    if (i == most_links) fail("write", path, ELOOP);
    const std::filesystem::path next = std::filesystem::read_symlink(target, error);
    if (error) fail("write", path, error.value());
    target = target.parent_path() / next;
  }
  return target;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

// Makes a file in the folder, on behalf of the target, and removes it.
void probe_for(const std::filesystem::path& target, const std::filesystem::path& folder) {
  std::filesystem::path probe;
  const int descriptor = open_temporary(folder, probe, target);
  ::close(descriptor);
  ::unlink(probe.c_str());
}

// The permissions of a file that is about to be replaced stay.
void keep_mode(int descriptor, const std::filesystem::path& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0) {
    static_cast<void>(::fchmod(descriptor, status.st_mode & 07777));
  }
}

// A rename is on the disk only when its folder is. EINVAL: this file system cannot flush folders.
void sync_folder(const std::filesystem::path& folder, const std::filesystem::path& target) {
  const int descriptor = open_retrying(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == EACCES) return;  // one may write there, but not look
    fail("flush the folder of", target, errno);
  }
  const int error = synced(descriptor) ? 0 : errno;
  ::close(descriptor);
  if (error != 0 && error != EINVAL) fail("flush the folder of", target, error);
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
  descriptor_ = open_retrying(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail("open", path, errno);
  struct stat status {};
  const int error = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    if (error != 0) fail("open", path, error);
    fail_not_a_file("open", path, S_ISDIR(status.st_mode));
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
  require_within_limit(bytes.size(), path);
  const std::filesystem::path target = resolve_target(path);
  const std::filesystem::path folder = folder_of(target);
  std::filesystem::path temporary;
  int descriptor = open_temporary(folder, temporary, path);
  try {
    write_all(descriptor, bytes, path);
    keep_mode(descriptor, target);
    if (!synced(descriptor)) fail("write", path, errno);
    // The descriptor is gone after an interruption too, and the bytes are on the disk.
    const int closed = ::close(std::exchange(descriptor, -1));
    if (closed != 0 && errno != EINTR) fail("write", path, errno);
    if (::rename(temporary.c_str(), target.c_str()) != 0) fail("write", path, errno);
  } catch (...) {
    if (descriptor >= 0) ::close(descriptor);
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(folder, path);
}

bool may_exist(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) || error;
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void require_writable(const std::filesystem::path& folder) { probe_for(folder, folder); }

void require_replaceable(const std::filesystem::path& file) {
  probe_for(file, folder_of(resolve_target(file)));
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  descriptor_ = open_retrying(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) fail("open", folder, errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor_);
    throw FileError(
        fmt::format("{} is in use by another process; wait for its end or take another "
                    "folder",
                    folder.string()));
  }
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void remove_temporary_files(const std::filesystem::path& folder) {
  std::error_code ignored;  // what cannot be listed or removed does no harm
  std::filesystem::directory_iterator entry(folder, ignored);
  for (; entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(temporary_begin) && name.ends_with(temporary_end)) {
      ::unlink(entry->path().c_str());
    }
  }
}

}  // namespace tapegrad
