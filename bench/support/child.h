// A program that is run beside this one and answers line by line.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapegrad::bench {

/// A child process with a pipe to its stdin and one from its stdout. Ends with this object: its
/// stdin closes, and it is waited for. Errors throw std::runtime_error.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void send(std::string_view text) { send(std::as_bytes(std::span(text))); }
  void send(std::span<const std::byte> bytes);

  /// Its next line, without the newline. Throws when it has ended.
  std::string line();

  /// Closes its stdin, waits for its end and returns the most memory it ever had, in bytes. That
  /// is never less than what this process has, whose memory a new process has at first. Throws
  /// when it fails.
  long peak_memory();

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  std::FILE* from_ = nullptr;
};

}  // namespace tapegrad::bench
