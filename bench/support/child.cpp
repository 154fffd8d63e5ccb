#include "bench/support/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace tapegrad::bench {
namespace {

std::runtime_error failure(std::string_view what, int error) {
  return std::runtime_error(fmt::format("{}: {}", what, std::strerror(error)));
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw failure("pipe", errno);
    read = ends[0];
    write = ends[1];
  }
  int read;
  int write;
};

pid_t spawn(const std::vector<std::string>& command, int in, int out) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw failure(command[0], error);
  return pid;
}

}  // namespace

Child::Child(const std::vector<std::string>& command) {
  signal(SIGPIPE, SIG_IGN);  // so that a child that died is an exception, not our end
  const Pipe to_child;
  const Pipe from_child;
  pid_ = spawn(command, to_child.read, from_child.write);
  close(to_child.read);
  close(from_child.write);
  to_ = to_child.write;
  from_ = fdopen(from_child.read, "r");
}

Child::~Child() {
  if (to_ >= 0) close(to_);
  std::fclose(from_);
  if (pid_ >= 0) waitpid(pid_, nullptr, 0);
}

void Child::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(to_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw failure("writing to the child process", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::string Child::line() {
  std::string text;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) throw std::runtime_error("the child process ended without an answer");
    text.push_back(static_cast<char>(c));
  }
  return text;
}

long Child::peak_memory() {
  close(std::exchange(to_, -1));
  while (std::fgetc(from_) != EOF) {
  }
  int status = 0;
  rusage usage{};
  wait4(std::exchange(pid_, -1), &status, 0, &usage);
  if (status != 0) throw std::runtime_error("the child process failed");
  return usage.ru_maxrss * 1024;
}

}  // namespace tapegrad::bench
