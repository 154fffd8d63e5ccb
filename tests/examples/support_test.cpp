// What the example programs share.
#include <png.h>

#include <cstdio>
#include <vector>

#include "data/synthetic.h"
#include "examples/support/dataset.h"
#include "examples/support/image_file.h"
#include "examples/support/report_checks.h"
#include "examples/support/run_folder.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

// Writes a 32 x 32 RGB PNG whose samples have `depth` bits: byte v, or v * 257.
void write_png(const std::filesystem::path& path, int depth) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, 32, 32, depth, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int row = 0; row < 32; ++row) {
    std::vector<png_byte> bytes;
    for (int i = 0; i < 96; ++i) {
      for (int copy = 0; copy < depth / 8; ++copy)
        bytes.push_back(static_cast<png_byte>(row * 7 + i));
    }
    png_write_row(png, bytes.data());
  }
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  std::fclose(file);
}

}  // namespace

TEST_CASE("pictures: a PNG of 16 bits a sample gives the bytes of the same picture in 8") {
  const test::TemporaryFolder folder;
  write_png(folder.path() / "8.png", 8);
  write_png(folder.path() / "16.png", 16);
  const auto eight = to_cifar10_bytes(read_image(folder.path() / "8.png"));
  CHECK(eight[0] == 0);
  CHECK(eight[1024] == 1);
  CHECK(eight[1] == 3);
  CHECK(eight == to_cifar10_bytes(read_image(folder.path() / "16.png")));
}

TEST_CASE("pictures: what is no picture is refused") {
  const test::TemporaryFolder folder;
  const auto refused = [&](std::string_view bytes) {
    write_file(folder.path() / "x", bytes);
    CHECK_THROWS_AS(read_image(folder.path() / "x"), FormatError);
  };
  refused("");
  refused("GIF89a");
  refused("\x89PNG\r\n\x1a\n");
  refused("P6");
  refused("P6 2 2 65535\n");
  refused("P6 99999999999999999999 1 255\n");
  refused("P6 2 2 255\nabc");
}

TEST_CASE("dataset: validation must leave images to train on") {
  examples::DatasetOptions options;
  options.synthetic = true;
  options.synthetic_images = 100;
  options.train_batches = 5;
  options.validation = 500;
  CHECK_THROWS_AS(examples::load_dataset(options), examples::UsageError);
}

TEST_CASE("dataset: other labels are another set") {
  const data::ImageSet images = data::synthetic_images(10, 1);
  data::ImageSet other = images;
  other.labels[0] = (other.labels[0] + 1) % 10;
  CHECK(examples::digest(images) != examples::digest(other));
}

TEST_CASE("report checks: a bound is met from below") {
  CHECK(examples::CheckFigure{"W1", 1e-5, 1e-9, 0, true}.same_order());
  CHECK_FALSE(examples::CheckFigure{"W1", 1e-5, 2e-5, 0, true}.same_order());
}
