// A program's options: declared once, parsed, listed by --help and written into the summary.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/scalar.h"

namespace tapegrad::examples {

/// Options that contradict each other: exit code 2, as for one that cannot be parsed.
struct UsageError : Error {
  using Error::Error;
};

/// The options of one program. Every option takes its default from the variable it fills. A value
/// out of range, an unknown option or a missing value is a usage error.
class CommandLine {
 public:
  CommandLine(const std::string& program, const std::string& description);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CommandLine& flag(const std::string& name, bool& value, const std::string& help);
  CommandLine& text(const std::string& name, std::string& value, const std::string& help);
  CommandLine& choice(const std::string& name, std::string& value,
                      const std::vector<std::string>& choices, const std::string& help);
  CommandLine& number(const std::string& name, double& value, double low, double high,
                      const std::string& help);
  CommandLine& number(const std::string& name, std::optional<double>& value, double low,
                      double high, const std::string& help);
  CommandLine& count(const std::string& name, Index& value, Index low, Index high,
                     const std::string& help);
  CommandLine& count(const std::string& name, std::optional<Index>& value, Index low, Index high,
                     const std::string& help);

  /// An argument without a name; `required` or empty when left out.
  CommandLine& argument(const std::string& name, std::string& value, bool required,
                        const std::string& help);

  /// Whether the same command with --resume goes on with what was interrupted; asked by run().
  CommandLine& resumable(std::function<bool()> answer);

  /// Parses, then runs `body`. Returns the exit code: what `body` returns; 0 after --help; 2 after
  /// a usage error; 128 and its number after a signal, with the command to go on; 1 when `body`
  /// throws or standard output cannot be written. Errors are printed on stderr, program name first.
  int run(int argc, char** argv, const std::function<int()>& body);

  /// Every option's name and value as text, for a record of the run.
  std::vector<std::pair<std::string, std::string>> values() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace tapegrad::examples
