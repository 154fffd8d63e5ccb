// Pictures from files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "tensor/scalar.h"

namespace tapegrad::examples {

/// A picture of width * height pixels, row by row, 3 bytes (red, green, blue) each.
struct RgbImage {
  Index width = 0;
  Index height = 0;
  std::vector<std::uint8_t> pixels;
};

/// Reads a PNG (any kind; transparency on black) or a binary PPM (P6, 8 bits). Throws FileError
/// when it cannot be read and FormatError when it is neither.
RgbImage read_image(const std::filesystem::path& path);

/// The picture's bytes in CIFAR-10's order: all red, all green, all blue. Throws ShapeError unless
/// it is 32 by 32.
std::vector<std::uint8_t> to_cifar10_bytes(const RgbImage& image);

}  // namespace tapegrad::examples
