// Every way in which one of the six files may not be what its name says.
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "data/cifar10.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

constexpr Index records = 3;
constexpr std::size_t record_bytes = 3073;

const std::string names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                             "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

std::string valid(Index n = records) {
  std::string bytes;
  for (Index i = 0; i < n; ++i) {
    bytes.push_back(static_cast<char>(i % 10));
    bytes.append(record_bytes - 1, static_cast<char>(40 + i));
  }
  return bytes;
}

struct Damage {
  const char* name;
  std::function<void(const fs::path&)> make;
};

Damage contents(const char* name, const std::string& bytes) {
  return {name, [bytes](const fs::path& path) { write_file(path, bytes); }};
}

Damage label(const char* name, std::size_t record, char value) {
  std::string bytes = valid();
  bytes[record * record_bytes] = value;
  return contents(name, bytes);
}

// In the place of a valid file.
std::vector<Damage> every_damage() {
  const std::string whole = valid();
  std::string shifted = whole.substr(1) + '\x28';
  return {
      {"missing", [](const fs::path& path) { fs::remove(path); }},
      contents("empty", ""),
      contents("one byte", "\x01"),
      contents("a byte short", whole.substr(0, whole.size() - 1)),
      contents("a byte long", whole + '\x01'),
      contents("a record short", valid(records - 1)),
      contents("a record long", valid(records + 1)),
      contents("half", whole.substr(0, whole.size() / 2)),
      contents("twice", whole + whole),
      label("first label 10", 0, 10),
      label("last label 10", records - 1, 10),
      label("label 255", 1, '\xff'),
      contents("shifted by a byte", shifted),
      contents("CIFAR-100: two labels a record", std::string(records * (record_bytes + 1), '\x05')),
      contents("a web page", "<!DOCTYPE html><html><title>404 Not Found</title></html>\n"),
      contents("text of the right size", std::string(whole.size(), 'x')),
      contents("gzip", "\x1f\x8b\x08" + std::string(whole.size() - 3, '\0')),
      contents("a pickle", "\x80\x02}q\x01(U\nbatch_label" + whole),
      {"a folder",
       [](const fs::path& path) {
         fs::remove(path);
         fs::create_directory(path);
       }},
      {"a pipe",
       [](const fs::path& path) {
         fs::remove(path);
         REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
       }},
      {"a link to nothing",
       [](const fs::path& path) {
         fs::remove(path);
         fs::create_symlink("nowhere", path);
       }},
      {"a link to itself",
       [](const fs::path& path) {
         fs::remove(path);
         fs::create_symlink(path.filename(), path);
       }},
      {"a device",
       [](const fs::path& path) {
         fs::remove(path);
         fs::create_symlink("/dev/zero", path);
       }},
      {"a file with a hole of a terabyte",
       [](const fs::path& path) { fs::resize_file(path, std::uintmax_t{1} << 40); }},
  };
}

}  // namespace

TEST_CASE("cifar10: whatever is wrong with any of the six files is refused by name") {
  int refused = 0;
  for (const Damage& damage : every_damage()) {
    for (const std::string& name : names) {
      const TemporaryFolder folder;
      for (const std::string& each : names) write_file(folder.path() / each, valid());
      damage.make(folder.path() / name);
      CAPTURE(damage.name, name);
      try {
        data::read_cifar10(folder.path(), records);
        CHECK(false);
      } catch (const Error& error) {
        CHECK(std::string(error.what()).find(name) != std::string::npos);
        ++refused;
      }
    }
  }
  CHECK(refused >= 64);
  CHECK(refused == static_cast<int>(every_damage().size() * std::size(names)));
}

TEST_CASE("cifar10: the six files are read when nothing is wrong with them") {
  const TemporaryFolder folder;
  for (const std::string& name : names) write_file(folder.path() / name, valid());
  const data::Cifar10 set = data::read_cifar10(folder.path(), records);
  CHECK(set.train.size() == 5 * records);
  CHECK(set.test.size() == records);
}
