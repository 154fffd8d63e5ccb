#include "tensor/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "tensor/file.h"

namespace tapegrad {
namespace {

// A digest in the making. OpenSSL's functions fail for lack of memory alone.
class Hash {
 public:
  Hash() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), method, nullptr) == 1);
  }

  void add(std::span<const std::byte> bytes) {
    require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }

  Sha256 digest() {
    Sha256 out{};
    require(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()),
                               nullptr) == 1);
    return out;
  }

 private:
  static void require(bool done) {
    if (!done) throw std::bad_alloc();
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

Sha256 sha256(std::span<const std::byte> bytes) {
  Hash hash;
  hash.add(bytes);
  return hash.digest();
}

Sha256 sha256_of_file(const std::filesystem::path& path) {
  const InputFile file(path);
  Hash hash;
  std::vector<std::byte> block(std::size_t{1} << 18);
  for (Index offset = 0; offset < file.size(); offset += std::ssize(block)) {
    const Index n = std::min(std::ssize(block), file.size() - offset);
    const auto part = std::span(block).first(static_cast<std::size_t>(n));
    file.read(offset, part);
    hash.add(part);
  }
  return hash.digest();
}

std::string to_hex(const Sha256& digest) {
  std::string text;
  for (const std::byte b : digest) text += fmt::format("{:02x}", std::to_integer<int>(b));
  return text;
}

}  // namespace tapegrad
