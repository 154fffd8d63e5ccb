// Contact sheets: the images on one canvas, which gnuplot enlarges and adds the words to.
#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cmath>

#include "examples/report/gnuplot.h"
#include "examples/report/images.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace tapegrad::report {
namespace {

// All lengths in the images' pixels, each `zoom` units wide.
constexpr int zoom = 3;
constexpr int side = 32;
constexpr Index image_bytes = Index{3} * side * side;
constexpr int cell = 41;
constexpr int margin = 3;
constexpr int title_height = 12;
constexpr int line_height = 5;

struct Canvas {
  Canvas(int across, int down)
      : width(across), height(down), rgb(static_cast<std::size_t>(Index{3} * across * down), 255) {}

  void put(const Tile& tile, int left, int top) {
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x) {
        for (int channel = 0; channel < 3; ++channel) {
          rgb[static_cast<std::size_t>(((Index{top} + y) * width + left + x) * 3 + channel)] =
              tile.bytes[static_cast<std::size_t>((Index{channel} * side + y) * side + x)];
        }
      }
    }
  }

  int width;
  int height;
  std::vector<std::uint8_t> rgb;
};

std::vector<std::byte> encode_png(const Canvas& canvas) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(canvas.width);
  png.height = static_cast<png_uint_32>(canvas.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::byte> bytes(size);
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, canvas.rgb.data(), 0, nullptr) == 0) {
    throw FileError(fmt::format("image_grid: cannot encode {} x {} pixels: {}", canvas.width,
                                canvas.height, png.message));
  }
  bytes.resize(size);
  return bytes;
}

void require_tiles(const Picture& to, std::span<const Tile> tiles, int columns) {
  if (columns < 1 || columns > 20) {
    throw OptionError(fmt::format("image_grid: {} columns: give 1 to 20", columns));
  }
  if (tiles.empty()) throw DataError(fmt::format("image_grid: '{}' has no image", to.title));
  for (const Tile& tile : tiles) {
    if (std::ssize(tile.bytes) == image_bytes) continue;
    throw DataError(fmt::format("image_grid: an image of {} bytes: it must have 3 x 32 x 32 = 3072",
                                tile.bytes.size()));
  }
}

// The row as bytes, its smallest weight 0 and its largest 255.
std::vector<std::uint8_t> scaled_to_bytes(std::span<const float> w) {
  const auto [min, max] = std::minmax_element(w.begin(), w.end());
  const float length = *max > *min ? *max - *min : 1;
  std::vector<std::uint8_t> bytes;
  for (const float x : w) {
    bytes.push_back(static_cast<std::uint8_t>(std::lround(255 * (x - *min) / length)));
  }
  return bytes;
}

}  // namespace

Picture image_grid(Picture to, std::span<const Tile> tiles, int columns) {
  require_tiles(to, tiles, columns);
  const int n = static_cast<int>(tiles.size());
  columns = std::min(columns, n);
  std::size_t lines = 0;
  for (const Tile& tile : tiles) lines = std::max(lines, tile.caption.size());
  const int pitch = side + static_cast<int>(lines) * line_height + 5;
  const int first = to.title.empty() ? margin : title_height;

  Canvas canvas(columns * cell + 2 * margin, first + (n + columns - 1) / columns * pitch);
  Script script(canvas.width * zoom, canvas.height * zoom);
  script.title(to.title);
  script.frame(0, script.width(), 0, script.height());
  for (int i = 0; i < n; ++i) {
    const int left = margin + i % columns * cell + (cell - side) / 2;
    int y = first + i / columns * pitch;
    canvas.put(tiles[static_cast<std::size_t>(i)], left, y);
    y += side + line_height / 2 + 1;
    for (const std::string& line : tiles[static_cast<std::size_t>(i)].caption) {
      script.add("set label {} at {},{} center front textcolor rgb '#222222'", literal(line),
                 left + side / 2, canvas.height - y);
      y += line_height;
    }
  }
  const std::string file = to.stem.filename().string() + ".pixels.png";
  write_file(to.file(".pixels.png"), encode_png(canvas));
  script.add("unset border; unset tics; unset grid");
  script.add("set xrange [-0.5:{}.5]; set yrange [-0.5:{}.5]", canvas.width - 1, canvas.height - 1);
  script.add("plot {} binary filetype=png with rgbimage", literal(file));
  script.draw(to);
  to.pixels = true;
  return to;
}

Picture weight_templates(Picture to, View<const float> weights,
                         std::span<const std::string_view> classes, int columns) {
  const Shape expected{std::ssize(classes), image_bytes};
  if (weights.shape() != expected) {
    throw ShapeError(fmt::format("weight_templates: weights are {} but must be {}: a row per class",
                                 to_string(weights.shape()), to_string(expected)));
  }
  std::vector<Tile> tiles;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto row = weights.span().subspan(i * image_bytes, image_bytes);
    tiles.push_back({scaled_to_bytes(row), {std::string(classes[i])}});
  }
  return image_grid(std::move(to), tiles, columns);
}

}  // namespace tapegrad::report
