// gnuplot scripts: text in the making, run when it is whole.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "examples/report/picture.h"

namespace tapegrad::report {

/// Throws FileError unless there is a gnuplot to run: now, and not after hours of work.
void require_gnuplot();

/// The text between single quotes, where gnuplot expands nothing; control characters as blanks.
std::string literal(std::string_view text);

/// Colours that stay apart for colour-blind readers and in print (Okabe and Ito, "Color universal
/// design", 2008), as "#rrggbb"; index counts around.
std::string_view colour(std::size_t index);

/// A colour for what is neither data nor text: shaded bands, secondary numbers.
inline constexpr std::string_view grey = "#666666";

/// The commands and data of one picture. Lengths are in units of 1/96 inch (a pixel of the SVG).
class Script {
 public:
  Script(int width, int height) : width_(width), height_(height) {}

  int width() const { return width_; }
  int height() const { return height_; }

  /// Adds a command.
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    commands_ += "  ";
    fmt::format_to(std::back_inserter(commands_), format, std::forward<Args>(args)...);
    commands_ += '\n';
  }

  /// Adds rows of numbers and returns the name of the block, "$data1", ... .
  std::string data(const std::vector<std::vector<double>>& rows);

  /// Places the frame: distances of its four sides from the left and the top of the picture.
  void frame(int left, int right, int top, int bottom);

  /// The title in bold, in the picture's top left corner.
  void title(std::string_view text);

  /// Writes `to.stem`.gp and runs gnuplot on it. Throws Interrupted once a signal came, FileError
  /// when the files cannot be written or gnuplot is missing or fails, with what it said; no .png or
  /// .svg is left then.
  void draw(const Picture& to) const;

 private:
  int width_;
  int height_;
  int blocks_ = 0;
  std::string data_;
  std::string commands_;
};

}  // namespace tapegrad::report
