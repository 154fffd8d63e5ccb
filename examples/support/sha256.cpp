#include "examples/support/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "tensor/file.h"

namespace tapegrad::examples {

std::string sha256_of_file(const std::filesystem::path& path) {
  const InputFile file(path);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<std::byte> block(std::size_t{1} << 18);
  for (Index offset = 0; offset < file.size(); offset += std::ssize(block)) {
    const Index n = std::min(std::ssize(block), file.size() - offset);
    file.read(offset, std::span(block).first(static_cast<std::size_t>(n)));
    EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(n));
  }
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace tapegrad::examples
