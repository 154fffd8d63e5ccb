// Pictures: what is drawn, the same again, and what cannot be drawn.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "examples/report/axis.h"
#include "examples/report/charts.h"
#include "examples/report/gnuplot.h"
#include "examples/report/images.h"
#include "examples/report/training_curves.h"
#include "examples/support/image_file.h"
#include "optim/schedule.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using namespace tapegrad::report;
using Catch::Matchers::Contains;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// The environment's PATH as something else, as long as this lives.
class OtherPath {
 public:
  explicit OtherPath(const std::string& path) : before_(std::getenv("PATH")) {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~OtherPath() { ::setenv("PATH", before_.c_str(), 1); }
  OtherPath(const OtherPath&) = delete;
  OtherPath& operator=(const OtherPath&) = delete;

 private:
  std::string before_;
};

std::string contents(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<Panel> two_panels() {
  const Series train{"train", {0, 1, 2, 3}, {3, 2, missing, 1}};
  const Series validation{"validation", {0, 1, 2, 3}, {3.1, 2.4, 2, 1.9}, {.1, .1, .1, missing}};
  const Series rate{"", {0, 1, 2, 3}, {.1, .01, .001, 0}};
  return {{"loss", {train, validation}}, {"learning rate", {rate}, true, 0.5, Band{1, 2, "late"}}};
}

Picture draw_curves(const std::filesystem::path& folder, const std::vector<Panel>& panels,
                    bool log = false) {
  return curves({folder / "picture", "it's 100 % {not} `enhanced` # \"at all\" \\"}, {"step", log},
                panels);
}

Tile grey_tile(std::uint8_t value) {
  return {std::vector<std::uint8_t>(3072, value), {"grey", std::to_string(value)}};
}

}  // namespace

TEST_CASE("pictures: a script, a PNG and an SVG, the same bytes each time") {
  const test::TemporaryFolder folder;
  const auto files = [&](const std::vector<Panel>& panels) {
    const Picture picture = draw_curves(folder.path(), panels);
    return contents(picture.file(".gp")) + contents(picture.file(".png")) +
           contents(picture.file(".svg"));
  };
  const std::string once = files(two_panels());
  CHECK(once == files(two_panels()));
  CHECK_THAT(once, Contains("'it''s 100 % {not} `enhanced` # \"at all\" \\'"));
  auto other = two_panels();
  other[0].series[0].y[0] = 4;
  CHECK(once != files(other));
}

TEST_CASE("pictures: the script draws the same picture again") {
  const test::TemporaryFolder folder;
  const Picture picture = draw_curves(folder.path(), two_panels());
  const std::string png = contents(picture.file(".png"));
  std::filesystem::remove(picture.file(".png"));
  const std::string command =
      fmt::format("cd '{}' && gnuplot -d picture.gp 2>&1", folder.path().string());
  REQUIRE(std::system(command.c_str()) == 0);
  CHECK(png == contents(picture.file(".png")));
}

TEST_CASE("pictures: text runs nothing") {
  const test::TemporaryFolder folder;
  const std::string attack = fmt::format("`touch {}/ran`", folder.path().string());
  Series series{attack, {1, 2}, {1, 2}};
  curves({folder.path() / "p", attack}, {attack + "'; system \"touch ran\"; '"},
         std::vector{Panel{attack + "\n!touch ran\n", {series}}});
  CHECK_FALSE(std::filesystem::exists(folder.path() / "ran"));
  CHECK(literal("a'b\nc") == "'a''b c'");
}

TEST_CASE("pictures: a PNG has two dots for each unit of the SVG") {
  const test::TemporaryFolder folder;
  const Picture picture = draw_curves(folder.path(), two_panels());
  const examples::RgbImage image = examples::read_image(picture.file(".png"));
  CHECK(image.width == 1440);
  CHECK_THAT(contents(picture.file(".svg")),
             Contains(fmt::format("width=\"720\" height=\"{}\"", image.height / 2)));
}

TEST_CASE("pictures: curves that cannot be drawn are refused") {
  const test::TemporaryFolder folder;
  const auto refused = [&](Series series, bool log_y, const std::string& text) {
    CHECK_THROWS_WITH(draw_curves(folder.path(), {Panel{"loss", {std::move(series)}, log_y}}),
                      Contains(text));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "picture.png"));
  };
  refused({"a", {}, {}}, false, "has no point to draw");
  refused({"a", {1, 2}, {missing, missing}}, false, "series 'a' has no point to draw");
  refused({"a", {1, 2}, {0, -1}}, true, "series 'a' has no point to draw");
  refused({"a", {1, 2}, {1}}, false, "series 'a' has 2 x, 1 y and 0 errors");
  refused({"a", {1, 2}, {1, 2}, {1}}, false, "2 y and 1 errors");
  CHECK_THROWS_AS(draw_curves(folder.path(), {}), DataError);
  CHECK_THROWS_AS(draw_curves(folder.path(), {Panel{"loss", {}}}), DataError);
  CHECK_NOTHROW(draw_curves(folder.path(), {Panel{"loss", {{"a", {1}, {1}}}}}));
  CHECK_NOTHROW(draw_curves(folder.path(), {Panel{"loss", {{"a", {0, 1}, {1, 2}}}, true}}, true));
}

TEST_CASE("pictures: without gnuplot the error names the package") {
  const test::TemporaryFolder folder;
  const OtherPath nowhere(folder.path().string());
  CHECK_THROWS_AS(draw_curves(folder.path(), two_panels()), FileError);
  CHECK_THROWS_WITH(draw_curves(folder.path(), two_panels()),
                    Contains("No such file or directory: install the package gnuplot-nox"));
}

TEST_CASE("pictures: what gnuplot says is in the error, and no half picture is left") {
  const test::TemporaryFolder folder;
  Script script(100, 100);
  script.add("plot nonsense");
  const Picture picture{folder.path() / "p"};
  CHECK_THROWS_WITH(script.draw(picture), Contains("undefined variable: nonsense"));
  CHECK(std::filesystem::exists(picture.file(".gp")));
  CHECK_FALSE(std::filesystem::exists(picture.file(".png")));

  const std::filesystem::path fake = folder.path() / "gnuplot";
  write_file(fake, std::string_view("#!/bin/sh\nexit 0\n"));
  std::filesystem::permissions(fake, std::filesystem::perms::owner_all);
  const OtherPath fakes(folder.path().string());
  CHECK_THROWS_WITH(draw_curves(folder.path(), two_panels()), Contains("it exited with 0"));
}

TEST_CASE("pictures: a folder that cannot be written is an error") {
  CHECK_THROWS_AS(draw_curves("/proc/none", two_panels()), FileError);
}

TEST_CASE("pictures: a learning rate of many cycles is drawn from its lowest to its highest") {
  const test::TemporaryFolder folder;
  constexpr Index steps = 10'000;
  const std::vector<optim::Measurement> ends{{.step = 0, .train = {2, 0.1}},
                                             {.step = steps, .train = {1, 0.5}}};
  const std::vector<History> histories{{"", ends}};
  training_curves({folder.path() / "c"}, histories,
                  optim::CyclicLr{.lr_min = 0.001, .lr_max = 0.1, .half_cycle = 5});
  const std::string script = contents(folder.path() / "c.gp");
  CHECK_THAT(script, Contains("\n5 0.1 0\n10 0.001 0\n15 0.1 0\n"));
  CHECK_THAT(script, Contains("\n9995 0.1 0\n"));
  CHECK_THAT(script, !Contains("\n10000 0.001 0\n"));  // the rate of a step that was not made
}

TEST_CASE("pictures: histograms count every value, in a bin or beside the axis") {
  const test::TemporaryFolder folder;
  const std::vector<Sample> samples{{"right", {0.1, 0.2, 1.0, 0.0}},
                                    {"wrong", {-1, 2, missing, 0.5}}};
  const Axis unit{"probability", false, 0, 1};
  histograms({folder.path() / "h"}, unit, "images", samples, 4);
  const std::string script = contents(folder.path() / "h.gp");
  CHECK_THAT(script, Contains("$data1 << EOD\n0 0\n0 3\n0.25 3\n0.25 0\n0.5 0\n0.5 0\n0.75 0\n"
                              "0.75 1\n1 1\n1 0\nEOD\n"));
  CHECK_THAT(script, Contains("'right'") && Contains("'wrong (3 not on the axis)'"));

  CHECK_NOTHROW(histograms({folder.path() / "h"}, {"error", true}, "n", samples));
  CHECK_THROWS_AS(histograms({folder.path() / "h"}, unit, "n", samples, 0), OptionError);
  CHECK_THROWS_AS(histograms({folder.path() / "h"}, unit, "n", {}), DataError);
  const std::vector<Sample> empty{{"zeros", {0, 0}}};
  CHECK_THROWS_AS(histograms({folder.path() / "h"}, {"error", true}, "n", empty), DataError);
}

TEST_CASE("pictures: an image grid shows the images' bytes") {
  const test::TemporaryFolder folder;
  const std::vector<Tile> tiles{grey_tile(10), grey_tile(200), grey_tile(90)};
  const Picture picture = image_grid({folder.path() / "g"}, tiles, 2);
  CHECK(picture.pixels);
  const auto images = examples::read_image(picture.file(".pixels.png"));
  const auto drawn = examples::read_image(picture.file(".png"));
  REQUIRE(drawn.width == 6 * images.width);
  for (const Index x : {Index{20}, images.width - 20}) {
    for (const Index y : {Index{20}, images.height - 30}) {
      CAPTURE(x, y);
      const auto pixel = static_cast<std::size_t>(3 * (y * images.width + x));
      const auto dot = static_cast<std::size_t>(3 * ((6 * y + 3) * drawn.width + 6 * x + 3));
      CHECK(images.pixels[pixel] == (y > 20 ? (x > 20 ? 255 : 90) : (x > 20 ? 200 : 10)));
      CHECK(images.pixels[pixel] == drawn.pixels[dot]);
    }
  }
  CHECK_THROWS_AS(image_grid({folder.path() / "g"}, tiles, 0), OptionError);
  CHECK_THROWS_AS(image_grid({folder.path() / "g"}, {}, 2), DataError);
  CHECK_THROWS_WITH(image_grid({folder.path() / "g"}, std::vector{Tile{}}, 2),
                    Contains("an image of 0 bytes"));
}

TEST_CASE("pictures: weight templates are scaled row by row") {
  const test::TemporaryFolder folder;
  Tensor<float> weights({2, 3072});
  weights[1] = -2;
  weights[2] = 2;
  const std::vector<std::string_view> classes{"cat", "dog"};
  const Picture picture = weight_templates({folder.path() / "w"}, weights, classes);
  const auto images = examples::read_image(picture.file(".pixels.png"));
  const auto red = [&](Index x) {
    return images.pixels[static_cast<std::size_t>(3 * (3 * images.width + 7 + x))];
  };
  CHECK(red(0) == 128);
  CHECK(red(1) == 0);
  CHECK(red(2) == 255);
  CHECK(red(41) == 0);  // all zero: no division by zero
  CHECK_THROWS_AS(weight_templates({folder.path() / "w"}, weights, std::span(classes).first(1)),
                  ShapeError);
}

TEST_CASE("pictures: a confusion matrix has its counts, recall and precision") {
  const test::TemporaryFolder folder;
  const std::vector<std::string_view> classes{"cat", "dog's"};
  const std::vector<std::int64_t> counts{30, 10, 0, 0};
  confusion_matrix({folder.path() / "c"}, counts, classes);
  const std::string script = contents(folder.path() / "c.gp");
  CHECK_THAT(script, Contains("set label '30' at 0,0 ") && Contains("set label '10' at 1,0 "));
  CHECK_THAT(script, Contains("'75%'") && Contains("'100%'") && Contains("'–'"));
  CHECK_THAT(script, Contains("'dog''s' 1"));
  CHECK_THROWS_AS(confusion_matrix({folder.path() / "c"}, counts, std::span(classes).first(1)),
                  ShapeError);
}

TEST_CASE("axes: ticks at round numbers that have room") {
  CHECK(tick_step(0, 1, 100, 20) == 0.2);
  CHECK(tick_step(0, 1, 100, 25) == 0.5);
  CHECK(std::abs(tick_step(0.38, 0.52, 170, 24) - 0.02) <= 1e-15);
  CHECK(log_ticks(1e-5, 1e-1).find("'10⁻⁵' 1e-5 0, '' 2e-5 1") == 1);
  CHECK_THAT(log_ticks(1e-2, 0.5), Contains("'2·10⁻²' 2e-2 0"));
  CHECK_THAT(log_ticks(1e-5, 1e-1, false), !Contains("10"));
}
