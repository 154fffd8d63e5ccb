#include "data/cifar10.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <cstdlib>
#include <string>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using data::find_cifar10;
using data::read_cifar10;
using data::read_cifar10_file;
using test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t record_bytes = 3073;

// Record i has label (first + i) % 10 and the pixels first + i, first + i + 1, ... modulo 256.
std::string records(int n, int first = 0) {
  std::string bytes;
  for (int i = first; i < first + n; ++i) {
    bytes.push_back(static_cast<char>(i % 10));
    for (int j = 0; j < 3072; ++j) bytes.push_back(static_cast<char>((i + j) & 255));
  }
  return bytes;
}

// A file of that many zero bytes that takes no room on the disk.
void write_zeros(const fs::path& path, std::uintmax_t bytes) {
  write_file(path, "");
  fs::resize_file(path, bytes);
}

void write_all_six(const fs::path& folder) {
  fs::create_directories(folder);
  for (int b = 1; b <= 5; ++b) {
    write_file(folder / ("data_batch_" + std::to_string(b) + ".bin"), records(3, 10 * b));
  }
  write_file(folder / "test_batch.bin", records(3, 60));
}

// Sets or (nullptr) unsets an environment variable while it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Environment() { set(old_ ? old_->c_str() : nullptr); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const char* value) { value != nullptr ? ::setenv(name_, value, 1) : ::unsetenv(name_); }

  const char* name_;
  std::optional<std::string> old_;
};

// Makes a folder the current one while it lives.
class CurrentFolder {
 public:
  explicit CurrentFolder(const fs::path& path) : old_(fs::current_path()) {
    fs::current_path(path);
  }
  ~CurrentFolder() {
    std::error_code ignored;
    fs::current_path(old_, ignored);
  }
  CurrentFolder(const CurrentFolder&) = delete;
  CurrentFolder& operator=(const CurrentFolder&) = delete;

 private:
  fs::path old_;
};

}  // namespace

TEST_CASE("cifar10: labels and pixels of a file") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  // More than one block of the reader, and not a multiple of it.
  write_file(path, records(131));
  const auto set = read_cifar10_file(path, 131);
  REQUIRE(set.size() == 131);
  CHECK(set.features == 3072);
  for (Index i = 0; i < 131; ++i) {
    CHECK(set.labels[static_cast<std::size_t>(i)] == i % 10);
    CHECK(set.image(i)[0] == i);
    CHECK(set.image(i)[3071] == ((i + 3071) & 255));
  }
}

TEST_CASE("cifar10: batches come in the order asked for") {
  const TemporaryFolder folder;
  write_all_six(folder.path());
  const auto set = read_cifar10(folder.path(), std::array{4, 2}, 3);
  REQUIRE(set.size() == 6);
  CHECK(set.image(0)[0] == 40);
  CHECK(set.image(5)[0] == 22);
  const auto all = read_cifar10(folder.path(), 3);
  REQUIRE(all.train.size() == 15);
  REQUIRE(all.test.size() == 3);
  for (Index i = 0; i < 15; ++i) CHECK(all.train.image(i)[0] == 10 * (i / 3 + 1) + i % 3);
  CHECK(all.test.image(2)[0] == 62);
  REQUIRE(all.files.size() == 6);
  CHECK(all.files.front() == folder.path() / "data_batch_1.bin");
  CHECK(all.files.back() == folder.path() / "test_batch.bin");
}

TEST_CASE("cifar10: batch numbers that do not exist are refused") {
  CHECK_THROWS_WITH(read_cifar10("x", std::array{1, 6}),
                    "cifar10: no training batch 6: there are 1 to 5");
  CHECK_THROWS_WITH(read_cifar10("x", std::array{0}),
                    "cifar10: no training batch 0: there are 1 to 5");
  CHECK_THROWS_WITH(read_cifar10("x", std::span<const int>()),
                    "cifar10: no training batch asked for: name 1 to 5");
}

TEST_CASE("cifar10: a file that is missing is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  CHECK_THROWS_AS(read_cifar10_file(path), FileError);
  CHECK_THROWS_WITH(read_cifar10_file(path),
                    "cannot open " + path.string() + ": No such file or directory");
}

TEST_CASE("cifar10: a folder or a pipe in the place of a file is refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(read_cifar10_file(folder.path()),
                    "cannot open " + folder.path().string() + ": it is a directory, not a file");
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(read_cifar10_file(pipe),
                    "cannot open " + pipe.string() + ": it is a device or pipe, not a file");
  CHECK_THROWS_AS(read_cifar10_file("/dev/zero"), FileError);
}

TEST_CASE("cifar10: a file nobody may read is refused") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read every file");
    return;
  }
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  write_file(path, records(1));
  fs::permissions(path, fs::perms::none);
  CHECK_THROWS_WITH(read_cifar10_file(path, 1),
                    "cannot open " + path.string() + ": Permission denied");
}

TEST_CASE("cifar10: symbolic links are followed, dangling and circular ones refused") {
  const TemporaryFolder folder;
  const fs::path link = folder.path() / "link", path = folder.path() / "a.bin";
  const fs::path loop = folder.path() / "loop";
  fs::create_symlink("a.bin", link);
  CHECK_THROWS_AS(read_cifar10_file(link, 2), FileError);
  write_file(path, records(2));
  CHECK(read_cifar10_file(link, 2) == read_cifar10_file(path, 2));
  fs::create_symlink("loop", loop);
  CHECK_THROWS_AS(read_cifar10_file(loop, 2), FileError);
}

TEST_CASE("cifar10: a file one byte short is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  write_zeros(path, 30'729'999);
  CHECK_THROWS_AS(read_cifar10_file(path), DataError);
  CHECK_THROWS_WITH(read_cifar10_file(path),
                    path.string() +
                        " is 30729999 bytes, expected 30730000 (10000 records of 3073): truncated "
                        "download? run script/get-cifar10");
}

TEST_CASE("cifar10: a file one byte long is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  write_zeros(path, 30'730'001);
  CHECK_THROWS_WITH(read_cifar10_file(path),
                    path.string() +
                        " is 30730001 bytes, expected 30730000 (10000 records of 3073): not the "
                        "binary version of CIFAR-10? run script/get-cifar10");
}

TEST_CASE("cifar10: files of other sizes are refused before memory is taken") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  // Empty; one record; 9,999 and 10,001 records; CIFAR-100's layout; a terabyte.
  for (const std::uintmax_t bytes :
       {std::uintmax_t{0}, std::uintmax_t{1}, std::uintmax_t{3072}, std::uintmax_t{record_bytes},
        9'999 * record_bytes, 10'001 * record_bytes, std::uintmax_t{30'740'000},
        std::uintmax_t{1} << 40}) {
    write_zeros(path, bytes);
    CHECK_THROWS_WITH(read_cifar10_file(path),
                      Catch::Contains("is " + std::to_string(bytes) + " bytes, expected 30730000"));
  }
}

TEST_CASE("cifar10: a label above 9 is refused with its record") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.bin";
  std::string bytes = records(100);
  bytes[99 * record_bytes] = 10;
  write_file(path, bytes);
  CHECK_THROWS_AS(read_cifar10_file(path, 100), DataError);
  CHECK_THROWS_WITH(
      read_cifar10_file(path, 100),
      path.string() +
          ": record 99 (the first is 0) has label 10, expected 0 to 9: not a "
          "CIFAR-10 file, or damaged; move the folder away and run script/get-cifar10");
  bytes[0] = static_cast<char>(255);
  write_file(path, bytes);
  CHECK_THROWS_WITH(read_cifar10_file(path, 100),
                    Catch::Contains("record 0 (the first is 0) has label 255"));
}

TEST_CASE("cifar10: the folder given is used, also when it contains the usual one") {
  const TemporaryFolder folder;
  const Environment unset("CIFAR10_DIR", nullptr);
  const fs::path inner = folder.path() / "cifar-10-batches-bin";
  write_all_six(inner);
  CHECK(find_cifar10(inner) == inner);
  CHECK(find_cifar10(folder.path()) == inner);
}

TEST_CASE("cifar10: a folder given that is missing or incomplete is an error") {
  const TemporaryFolder folder;
  const fs::path missing = folder.path() / "missing";
  CHECK_THROWS_AS(find_cifar10(missing), DataError);
  CHECK_THROWS_WITH(find_cifar10(missing),
                    "cifar10: " + missing.string() +
                        " (given by --data) is not a folder: give the one that holds the six .bin "
                        "files, or run script/get-cifar10");
  write_all_six(folder.path());
  fs::remove(folder.path() / "data_batch_3.bin");
  const Environment variable("CIFAR10_DIR", folder.path().c_str());
  CHECK_THROWS_WITH(find_cifar10(),
                    "cifar10: " + folder.path().string() +
                        " (given by $CIFAR10_DIR) has no data_batch_3.bin: give the folder that "
                        "holds the six .bin files, or run script/get-cifar10");
}

TEST_CASE("cifar10: the option goes before the variable, the variable before the default") {
  const TemporaryFolder folder;
  const CurrentFolder current(folder.path());
  const fs::path usual = fs::path("data") / "cifar-10-batches-bin";
  const fs::path a = folder.path() / "a", b = folder.path() / "b";
  {
    const Environment empty("CIFAR10_DIR", "");
    CHECK(find_cifar10() == std::nullopt);
    write_all_six(usual);
    CHECK(find_cifar10() == usual);
  }
  write_all_six(a);
  write_all_six(b);
  const Environment variable("CIFAR10_DIR", a.c_str());
  CHECK(find_cifar10() == a);
  CHECK(find_cifar10(b) == b);
}

TEST_CASE("cifar10: an incomplete default folder is an error") {
  const TemporaryFolder folder;
  const CurrentFolder current(folder.path());
  const Environment unset("CIFAR10_DIR", nullptr);
  fs::create_directories(fs::path("data") / "cifar-10-batches-bin");
  CHECK_THROWS_WITH(find_cifar10(), Catch::Contains("(the default) has no data_batch_1.bin"));
}

TEST_CASE("cifar10: the real data set") {
  const char* folder = std::getenv("TAPEGRAD_TEST_CIFAR10");
  if (folder == nullptr) {
    WARN("skipped: TAPEGRAD_TEST_CIFAR10 does not name CIFAR-10's folder");
    return;
  }
  const auto cifar = read_cifar10(folder);
  REQUIRE(cifar.train.size() == 50'000);
  REQUIRE(cifar.test.size() == 10'000);
  CHECK(cifar.train.first(4).labels == std::vector<std::int32_t>{6, 9, 9, 4});
  CHECK(cifar.test.first(4).labels == std::vector<std::int32_t>{3, 8, 8, 0});
  for (std::int32_t label = 0; label < 10; ++label) {
    CHECK(std::count(cifar.train.labels.begin(), cifar.train.labels.end(), label) == 5'000);
    CHECK(std::count(cifar.test.labels.begin(), cifar.test.labels.end(), label) == 1'000);
  }
}

TEST_CASE("cifar10: a number of records that no file has is refused") {
  const TemporaryFolder folder;
  write_file(folder.path() / "any.bin", std::string_view("x"));
  for (const Index records : {std::numeric_limits<Index>::max(), Index{-1}}) {
    CHECK_THROWS_WITH(read_cifar10_file(folder.path() / "any.bin", records),
                      Catch::Contains(std::to_string(records) + " records in a file: need 0 to"));
  }
}

TEST_CASE("cifar10: a missing test batch is noticed") {
  const test::TemporaryFolder folder;
  for (int i = 1; i <= 5; ++i) write_file(folder.path() / fmt::format("data_batch_{}.bin", i), "x");
  CHECK_THROWS_WITH(data::find_cifar10(folder.path()), Catch::Contains("has no test_batch.bin"));
}
