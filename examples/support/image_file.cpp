#include "examples/support/image_file.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

#include "tensor/error.h"
#include "tensor/file.h"

namespace tapegrad::examples {
namespace {

// Larger pictures are not what the networks take; the limit keeps a damaged header from asking for
// gigabytes.
constexpr Index largest_side = 16'384;

void require_side(const std::filesystem::path& path, Index width, Index height) {
  if (width >= 1 && height >= 1 && width <= largest_side && height <= largest_side) return;
  throw FormatError(fmt::format("{}: the picture is {} x {}, but sides must be 1 to {}",
                                path.string(), width, height, largest_side));
}

RgbImage decode_png(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const auto fail = [&] {
    const std::string reason = png.message;
    png_image_free(&png);
    throw FormatError(fmt::format("{}: not a readable PNG: {}", path.string(), reason));
  };
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) fail();
  png.format = PNG_FORMAT_RGB;
  png.flags |=
      PNG_IMAGE_FLAG_16BIT_sRGB;  // else 16-bit files without a profile are taken as linear light
  RgbImage image{png.width, png.height, {}};
  try {
    require_side(path, image.width, image.height);
    image.pixels.resize(PNG_IMAGE_SIZE(png));
  } catch (...) {
    png_image_free(&png);
    throw;
  }
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr) == 0) fail();
  return image;
}

// Reads the numbers of a PPM's header, skipping white space and comments.
class PpmHeader {
 public:
  PpmHeader(const std::filesystem::path& path, std::string_view text) : path_(path), text_(text) {}

  Index number() {
    skip_space();
    Index value = 0;
    const std::size_t start = at_;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0; ++at_) {
      value = value * 10 + (text_[at_] - '0');
      if (value > 65'535) break;
    }
    if (at_ == start || value > 65'535) fail();
    return value;
  }

  /// Where the pixels start: behind one white-space character.
  std::size_t end() {
    if (at_ >= text_.size() || std::isspace(static_cast<unsigned char>(text_[at_])) == 0) fail();
    return at_ + 1;
  }

  [[noreturn]] void fail() const {
    throw FormatError(fmt::format("{}: not a binary PPM (P6, width, height, 255)", path_.string()));
  }

 private:
  void skip_space() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
        ++at_;
      } else {
        return;
      }
    }
  }

  const std::filesystem::path& path_;
  std::string_view text_;
  std::size_t at_ = 2;  // behind "P6"
};

RgbImage decode_ppm(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  PpmHeader header(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  RgbImage image;
  image.width = header.number();
  image.height = header.number();
  if (header.number() != 255) header.fail();
  require_side(path, image.width, image.height);
  const std::size_t begin = header.end();
  const auto expected = static_cast<std::size_t>(3 * image.width * image.height);
  if (bytes.size() - begin < expected) {
    throw FormatError(fmt::format("{}: {} bytes of pixels, expected {}: truncated", path.string(),
                                  bytes.size() - begin, expected));
  }
  image.pixels.resize(expected);
  std::memcpy(image.pixels.data(), bytes.data() + begin, expected);
  return image;
}

}  // namespace

RgbImage read_image(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(bytes.size(), 4));
  if (start == "\x89PNG") return decode_png(path, bytes);
  if (start.substr(0, 2) == "P6") return decode_ppm(path, bytes);
  throw FormatError(fmt::format("{}: neither a PNG nor a binary PPM (P6) picture", path.string()));
}

std::vector<std::uint8_t> to_cifar10_bytes(const RgbImage& image) {
  if (image.width != 32 || image.height != 32) {
    throw ShapeError(
        fmt::format("the picture is {} x {}, but the network takes 32 x 32; resize it first",
                    image.width, image.height));
  }
  constexpr std::size_t side = std::size_t{32} * 32;
  std::vector<std::uint8_t> bytes(3 * side);
  for (std::size_t i = 0; i < side; ++i) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      bytes[channel * side + i] = image.pixels[3 * i + channel];
    }
  }
  return bytes;
}

}  // namespace tapegrad::examples
