#include "tensor/file.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <string>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/error_of.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

// A folder of its own for each test, removed at the end.
struct Folder : test::TemporaryFolder {
  fs::path operator/(const char* name) const { return path() / name; }

  Index count() const {
    return std::distance(fs::directory_iterator(path()), fs::directory_iterator());
  }
};

std::string text_of(const fs::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("file: what is written is read back") {
  const Folder folder;
  const fs::path path = folder / "a.bin";
  for (const std::string& text :
       {std::string("hello"), std::string(), std::string("a\0b", 3), std::string(100'000, 'x')}) {
    write_file(path, text);
    CHECK(text_of(path) == text);
  }
  CHECK(folder.count() == 1);
}

TEST_CASE("file: parts are read from where they stand") {
  const Folder folder;
  write_file(folder / "a", "0123456789");
  const InputFile file(folder / "a");
  CHECK(file.size() == 10);
  CHECK(file.path() == folder / "a");
  std::byte part[4];
  file.read(3, part);
  CHECK(static_cast<char>(part[0]) == '3');
  CHECK(static_cast<char>(part[3]) == '6');
  CHECK(test::error_of<FileError>([&] { file.read(8, part); }) ==
        "cannot read " + (folder / "a").string() + ": it ended at byte 10, 2 bytes early");
  file.read(10, {});
}

TEST_CASE("file: a missing file is named, with the reason") {
  const Folder folder;
  CHECK(test::error_of<FileError>([&] { read_file(folder / "missing"); }) ==
        "cannot open " + (folder / "missing").string() + ": No such file or directory");
}

TEST_CASE("file: folders, pipes and devices are refused at once") {
  const Folder folder;
  fs::create_directory(folder / "folder");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(test::error_of<FileError>([&] { read_file(folder / "folder"); }) ==
        "cannot open " + (folder / "folder").string() + ": it is a directory, not a file");
  CHECK(test::error_of<FileError>([&] { read_file(folder / "pipe"); }) ==
        "cannot open " + (folder / "pipe").string() + ": it is a device or pipe, not a file");
  CHECK_THROWS_AS(read_file("/dev/zero"), FileError);
}

TEST_CASE("file: an unreadable file is refused") {
  if (::geteuid() == 0) return;  // root reads everything
  const Folder folder;
  write_file(folder / "secret", "x");
  fs::permissions(folder / "secret", fs::perms::none);
  CHECK(test::error_of<FileError>([&] { read_file(folder / "secret"); }) ==
        "cannot open " + (folder / "secret").string() + ": Permission denied");
}

TEST_CASE("file: writing replaces the old file and leaves nothing else") {
  const Folder folder;
  write_file(folder / "a", "a long old text");
  write_file(folder / "a", "new");
  CHECK(text_of(folder / "a") == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("file: a link is written through, also where its file is not there yet") {
  const Folder folder;
  fs::create_directory(folder / "elsewhere");
  fs::create_symlink("elsewhere/new", folder / "link");
  fs::create_symlink(folder / "link", folder / "second");
  write_file(folder / "second", "text");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_symlink(folder / "second"));
  CHECK(text_of(folder / "elsewhere/new") == "text");
  write_file(folder / "link", "again");
  CHECK(text_of(folder / "elsewhere/new") == "again");
  fs::create_symlink("round", folder / "round");
  CHECK_THROWS_AS(write_file(folder / "round", "x"), FileError);
  CHECK(fs::is_symlink(folder / "round"));
}

TEST_CASE("file: whether a folder can be written to is tried without a trace") {
  const Folder folder;
  write_file(folder / "writable", "the user's own");
  require_writable(folder / ".");
  CHECK(folder.count() == 1);
  CHECK(text_of(folder / "writable") == "the user's own");
  CHECK_THROWS_AS(require_writable(folder / "none"), FileError);
}

TEST_CASE("file: a reader that opened the old file still reads it whole") {
  const Folder folder;
  write_file(folder / "a", "old");
  const InputFile old(folder / "a");
  write_file(folder / "a", "new text");
  std::byte bytes[3];
  old.read(0, bytes);
  CHECK(static_cast<char>(bytes[0]) == 'o');
}

TEST_CASE("file: a folder that does not exist cannot be written to") {
  const Folder folder;
  CHECK(test::error_of<FileError>([&] { write_file(folder / "none/a", "x"); }) ==
        "cannot write " + (folder / "none/a").string() + ": No such file or directory");
  CHECK(folder.count() == 0);
}

TEST_CASE("file: a write that fails at the rename removes its temporary file") {
  const Folder folder;
  fs::create_directory(folder / "a");
  write_file(folder / "a/inside", "kept");
  CHECK_THROWS_AS(write_file(folder / "a", "x"), FileError);
  CHECK(folder.count() == 1);
  CHECK(text_of(folder / "a/inside") == "kept");
}

TEST_CASE("file: a write that fails half way keeps the old file") {
  const Folder folder;
  write_file(folder / "a", "old");
  // Of these bytes the second page cannot be read, so the system writes the first and then fails.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const pages =
      ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(pages != MAP_FAILED);
  REQUIRE(::mprotect(static_cast<char*>(pages) + page, page, PROT_NONE) == 0);
  const std::span bytes(static_cast<const std::byte*>(pages), 2 * page);
  CHECK(test::error_of<FileError>([&] { write_file(folder / "a", bytes); }) ==
        "cannot write " + (folder / "a").string() + ": Bad address");
  CHECK(text_of(folder / "a") == "old");
  CHECK(folder.count() == 1);
  ::munmap(pages, 2 * page);
}

TEST_CASE("file: a write beyond the limit of the files' size is an error, not a signal") {
  const Folder folder;
  write_file(folder / "a", "old");
  struct Limit {
    Limit() {
      REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
      rlimit small = before;
      small.rlim_cur = 1000;
      REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    }
    ~Limit() { ::setrlimit(RLIMIT_FSIZE, &before); }
    rlimit before{};
  };
  std::string error;
  {
    const Limit limit;
    error = test::error_of<FileError>([&] { write_file(folder / "a", std::string(1001, 'x')); });
    write_file(folder / "b", std::string(1000, 'x'));
  }
  CHECK(error == "cannot write " + (folder / "a").string() + ": File too large");
  CHECK(text_of(folder / "a") == "old");
  CHECK(folder.count() == 2);
}

TEST_CASE("file: whether a file can be made or replaced is tried without a trace") {
  const Folder folder;
  write_file(folder / "old", "text");
  require_replaceable(folder / "old");
  require_replaceable(folder / "new");
  CHECK(folder.count() == 1);
  CHECK(text_of(folder / "old") == "text");
  fs::create_directory(folder / "inner");
  fs::create_symlink("nowhere/file", folder / "dangling");
  fs::create_symlink("round", folder / "round");
  fs::create_symlink("/dev/full", folder / "device");
  CHECK_THROWS_WITH(require_replaceable(folder / "inner"), Catch::Contains("it is a directory"));
  CHECK_THROWS_WITH(require_replaceable(folder / "dangling"), Catch::Contains("dangling: No such"));
  CHECK_THROWS_AS(require_replaceable(folder / "round"), FileError);
  CHECK_THROWS_WITH(require_replaceable(folder / "device"), Catch::Contains("a device or pipe"));
}

TEST_CASE("file: of hidden files only those that write_file left are swept") {
  const test::TemporaryFolder folder;
  write_file(folder.path() / ".tapegrad-notes", "the user's");
  write_file(folder.path() / ".tapegrad-99-0.part", "half");
  remove_temporary_files(folder.path());
  CHECK(std::filesystem::exists(folder.path() / ".tapegrad-notes"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / ".tapegrad-99-0.part"));
}

TEST_CASE("file: a replaced file keeps its permissions") {
  const test::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "a";
  write_file(path, "old");
  const auto mode = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write |
                    std::filesystem::perms::group_read;
  std::filesystem::permissions(path, mode);
  write_file(path, "new");
  CHECK(std::filesystem::status(path).permissions() == mode);
}
