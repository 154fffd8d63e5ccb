#include "tensor/sha256.h"

#include <string>

#include "tensor/file.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;

namespace {

std::string hex_of(const std::string& text) {
  return to_hex(sha256(std::as_bytes(std::span(text))));
}

}  // namespace

TEST_CASE("sha256: the standard's examples") {
  CHECK(hex_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex_of(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(hex_of("abd") != hex_of("abc"));
}

TEST_CASE("sha256: a file's is that of its bytes, whatever its size") {
  const test::TemporaryFolder folder;
  for (const std::size_t size : {0U, 1U, 262'144U, 262'145U}) {
    const std::string text(size, 'x');
    write_file(folder.path() / "a", text);
    CHECK(to_hex(sha256_of_file(folder.path() / "a")) == hex_of(text));
  }
}
