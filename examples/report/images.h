// Pictures made of pictures, and tables of colours.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "examples/report/picture.h"
#include "tensor/tensor.h"

namespace tapegrad::report {

/// A 32 x 32 image and what to say about it.
struct Tile {
  std::vector<std::uint8_t> bytes;   // [3, 32, 32]: all red, all green, all blue
  std::vector<std::string> caption;  // lines under the image, of some 16 characters
};

/// Draws images with their captions, so many in a row. Throws DataError when there is none or one
/// has not 3072 bytes, OptionError unless 1 <= columns <= 20, and FileError as Script::draw does.
Picture image_grid(Picture to, std::span<const Tile> tiles, int columns);

/// Draws each row of a weight matrix [classes, 3072] as an image, (w - min) / (max - min) of the
/// row, under its class's name. Throws ShapeError for another shape or number of names.
Picture weight_templates(Picture to, View<const float> weights,
                         std::span<const std::string_view> classes, int columns = 5);

/// Draws how often images of a class (row) were taken for a class (column): counts [classes *
/// classes], row by row. A cell's colour shows its share of the row, hits in blue, misses in orange
/// up to 30 %; beside the rows stands the recall (hits of all images of the class) and under the
/// columns the precision (hits of all predictions of it). Throws ShapeError when the number of
/// counts is not the square of that of the names.
Picture confusion_matrix(Picture to, std::span<const std::int64_t> counts,
                         std::span<const std::string_view> classes);

}  // namespace tapegrad::report
