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

// Our own products take fifty times as long with every load checked, so that programs would spend
// nine tenths of a sanitised test there; they have tests of their own, and OpenBLAS's serve here.
#ifdef __SANITIZE_ADDRESS__
constexpr const char* products = "export TAPEGRAD_INSTRUCTION_SET=baseline";
#else
constexpr const char* products = "true";
#endif

// A command line in `folder`, for a shell; where CIFAR-10 is and what OpenBLAS is told does not
// reach it.
inline std::string line_in(const std::filesystem::path& folder, const std::string& line) {
  return fmt::format("cd '{}' && unset CIFAR10_DIR OPENBLAS_CORETYPE OPENBLAS_L2_SIZE && {} && {}",
                     folder.string(), products, line);
}

// A program with its options as a command line.
inline std::string command_of(const std::string& program_and_options) {
  return fmt::format("'{}'/{}", TAPEGRAD_PROGRAMS_DIR, program_and_options);
}

// Runs a command line in `folder`.
inline Result run_command(const std::filesystem::path& folder, const std::string& line) {
  const std::string command = line_in(folder, line) + " 2>&1";
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
