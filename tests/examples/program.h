// Running the example programs, as a user does.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tapegrad::test {

struct Result {
  int exit_code;
  std::string output;  // stdout and stderr as they come
};

// A program with its options as a command line; where CIFAR-10 is and what OpenBLAS is told does
// not reach it.
inline std::string command_of(const std::string& program_and_options) {
  return fmt::format("env -u CIFAR10_DIR -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE '{}'/{}",
                     TAPEGRAD_PROGRAMS_DIR, program_and_options);
}

// Runs a command line in `folder`.
inline Result run_command(const std::filesystem::path& folder, const std::string& line) {
  const std::string command = fmt::format("cd '{}' && {} 2>&1", folder.string(), line);
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed: " + command);
  Result result{0, ""};
  std::array<char, 4096> block{};
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), pipe)) {
    result.output.append(block.data(), n);
  }
  const int status = ::pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

// Runs a program in `folder`, where no CIFAR-10 is.
inline Result run(const std::filesystem::path& folder, const std::string& program_and_options) {
  return run_command(folder, command_of(program_and_options));
}

inline std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace tapegrad::test
