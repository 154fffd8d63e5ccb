#include "examples/report/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <system_error>

#include "examples/support/interrupt.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace tapegrad::report {
namespace {

namespace fs = std::filesystem;

constexpr const char* head = R"(# Run by: gnuplot -d {0}
set encoding utf8
)";
// {0}: the name; {1}, {2}: the PNG's size in dots; {3}, {4}: the SVG's, half of that.
constexpr const char* terminals = R"(
do for [device in "png svg"] {{
  reset
  if (device eq "png") {{
    set terminal pngcairo noenhanced size {1},{2} font "DejaVu Sans,9" \
      fontscale 2 linewidth 2 pointscale 2 background "white"
    title_font = ":Bold,11"
  }} else {{
    set terminal svg noenhanced standalone size {3},{4} font "sans-serif,12" background "white"
    title_font = "sans-serif,15"
  }}
  set output {0}.'.'.device
  set border 3 lw 0.8 lc rgb '#444444'
  set tics nomirror out scale 0.5 textcolor rgb '#222222'
  set grid xtics ytics lt 1 lw 0.6 lc rgb '#dddddd'
  set key noautotitle at graph 1,1 right bottom horizontal Left reverse samplen 1.6 height 0.3
)";

std::string system_reason(int error) { return std::generic_category().message(error); }

// A pipe that keeps no descriptor open longer than it lives.
struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw FileError("gnuplot: cannot open a pipe: " + system_reason(errno));
    }
  }
  ~Pipe() {
    close_writing();
    ::close(ends[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void close_writing() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }

  std::string read_all() const {
    std::string text;
    std::array<char, 4096> block{};
    for (;;) {
      const ssize_t n = ::read(ends[0], block.data(), block.size());
      if (n > 0) text.append(block.data(), static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR)) return text;
    }
  }

  std::array<int, 2> ends{-1, -1};
};

struct Outcome {
  int status;          // as waitpid gives it
  std::string errors;  // what it wrote to stderr
};

// Runs gnuplot in a folder with an argument. Without the user's settings (-d): a script draws the
// same everywhere.
Outcome run_gnuplot(const fs::path& folder, const std::string& argument) {
  Pipe errors;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, errors.ends[1], STDERR_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::array<const char*, 4> arguments{"gnuplot", "-d", argument.c_str(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, "gnuplot", &actions, nullptr,
                                    const_cast<char* const*>(arguments.data()), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    throw FileError(fmt::format("cannot run gnuplot: {}: install the package gnuplot-nox",
                                system_reason(failed)));
  }
  errors.close_writing();
  Outcome outcome{0, errors.read_all()};
  while (::waitpid(child, &outcome.status, 0) < 0 && errno == EINTR) {
  }
  return outcome;
}

bool drawn(const Picture& picture) {
  std::error_code error;
  const auto png = fs::file_size(picture.file(".png"), error);
  if (error || png == 0) return false;
  const auto svg = fs::file_size(picture.file(".svg"), error);
  return !error && svg > 0;
}

void remove_drawing(const Picture& picture) {
  std::error_code ignored;
  fs::remove(picture.file(".png"), ignored);
  fs::remove(picture.file(".svg"), ignored);
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("exited with {}", WEXITSTATUS(status));
}

}  // namespace

void require_gnuplot() {
  const Outcome outcome = run_gnuplot(".", "--version");
  if (outcome.status == 0) return;
  throw FileError(fmt::format("cannot draw: gnuplot --version {}", describe(outcome.status)));
}

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "'";
}

std::string_view colour(std::size_t index) {
  constexpr std::array<std::string_view, 6> colours{"#0072b2", "#d55e00", "#009e73",
                                                    "#cc79a7", "#e69f00", "#56b4e9"};
  return colours[index % colours.size()];
}

std::string Script::data(const std::vector<std::vector<double>>& rows) {
  std::string name = fmt::format("$data{}", ++blocks_);
  data_ += name + " << EOD\n";
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      data_ += std::isfinite(row[i]) ? fmt::format("{}{:.9g}", i == 0 ? "" : " ", row[i]) : " NaN";
    }
    data_ += '\n';
  }
  data_ += "EOD\n";
  return name;
}

void Script::frame(int left, int right, int top, int bottom) {
  const auto across = [&](int x) { return static_cast<double>(x) / width_; };
  const auto up = [&](int y) { return 1 - static_cast<double>(y) / height_; };
  add("set lmargin at screen {:.5f}", across(left));
  add("set rmargin at screen {:.5f}", across(right));
  add("set tmargin at screen {:.5f}", up(top));
  add("set bmargin at screen {:.5f}", up(bottom));
}

void Script::title(std::string_view text) {
  if (text.empty()) return;
  add("set label {} at screen {:.5f},{:.5f} left front font title_font textcolor rgb '#111111'",
      literal(text), 12.0 / width_, 1 - 17.0 / height_);
}

void Script::draw(const Picture& to) const {
  examples::throw_if_interrupted();
  const std::string name = to.stem.filename().string();
  const std::string script =
      fmt::format(head, literal(name + ".gp")) + data_ +
      fmt::format(terminals, literal(name), 2 * width_, 2 * height_, width_, height_) + commands_ +
      "  set output\n}\n";
  write_file(to.file(".gp"), script);
  remove_drawing(to);
  const fs::path folder = to.stem.has_parent_path() ? to.stem.parent_path() : fs::path(".");
  const Outcome outcome =
      run_gnuplot(folder, "./" + name + ".gp");  // else a name with - in front is an option
  if (outcome.status == 0 && drawn(to)) return;
  remove_drawing(to);
  throw FileError(fmt::format("gnuplot {}: it {} and said{}", to.file(".gp").string(),
                              describe(outcome.status),
                              outcome.errors.empty() ? " nothing" : ": " + outcome.errors));
}

}  // namespace tapegrad::report
