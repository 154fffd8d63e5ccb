#include "examples/support/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "examples/support/interrupt.h"

namespace tapegrad::examples {

struct CommandLine::Parser {
  Parser(const std::string& description, const std::string& name) : app(description, name) {}

  CLI::App app;
  std::vector<std::pair<std::string, std::function<std::string()>>> values;
  std::function<bool()> resumable;
};

namespace {

// An empty text is an unset shell variable more often than a wish.
CLI::Validator not_empty() {
  return CLI::Validator(
      [](std::string& input) { return std::string(input.empty() ? "is empty" : ""); }, "");
}

// CLI11's own range check accepts NaN and prints six digits; this one says what is allowed.
template <class Number>
CLI::Validator between(Number low, Number high) {
  return CLI::Validator(
      [=](std::string& input) {
        Number value{};
        const bool inside =
            CLI::detail::lexical_cast(input, value) && value >= low && value <= high;
        return inside ? std::string()
                      : fmt::format("{} is not a number in {} .. {}", input, low, high);
      },
      "");
}

// As a shell reads it back.
std::string quoted(const std::string& word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(plain) == word.npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// The command again, with --resume.
std::string resume_command(int argc, char** argv) {
  std::string text;
  bool resumes = false;
  for (int i = 0; i < argc; ++i) {
    text += (i > 0 ? " " : "") + quoted(argv[i]);
    resumes = resumes || argv[i] == std::string_view("--resume");
  }
  return resumes ? text : text + " --resume";
}

}  // namespace

CommandLine::CommandLine(const std::string& program, const std::string& description)
    : parser_(std::make_unique<Parser>(description, program)) {
  parser_->app.option_defaults()->always_capture_default();
  parser_->app.set_help_flag("-h,--help", "Print this help and exit");
}

CommandLine::~CommandLine() = default;

CommandLine& CommandLine::flag(const std::string& name, bool& value, const std::string& help) {
  parser_->app.add_flag(name, value, help);
  parser_->values.emplace_back(name, [&value] { return std::string(value ? "true" : "false"); });
  return *this;
}

CommandLine& CommandLine::text(const std::string& name, std::string& value,
                               const std::string& help) {
  parser_->app.add_option(name, value, help)->check(not_empty());
  parser_->values.emplace_back(name, [&value] { return value; });
  return *this;
}

CommandLine& CommandLine::choice(const std::string& name, std::string& value,
                                 const std::vector<std::string>& choices, const std::string& help) {
  parser_->app.add_option(name, value, help)->check(CLI::IsMember(choices));
  parser_->values.emplace_back(name, [&value] { return value; });
  return *this;
}

CommandLine& CommandLine::number(const std::string& name, double& value, double low, double high,
                                 const std::string& help) {
  parser_->app.add_option(name, value, help)->check(between(low, high))->type_name("NUMBER");
  parser_->values.emplace_back(name, [&value] { return fmt::format("{}", value); });
  return *this;
}

CommandLine& CommandLine::number(const std::string& name, std::optional<double>& value, double low,
                                 double high, const std::string& help) {
  parser_->app.add_option(name, value, help)->check(between(low, high))->type_name("NUMBER");
  parser_->values.emplace_back(name, [&value] { return value ? fmt::format("{}", *value) : ""; });
  return *this;
}

CommandLine& CommandLine::count(const std::string& name, Index& value, Index low, Index high,
                                const std::string& help) {
  parser_->app.add_option(name, value, help)->check(between(low, high))->type_name("COUNT");
  parser_->values.emplace_back(name, [&value] { return fmt::format("{}", value); });
  return *this;
}

CommandLine& CommandLine::count(const std::string& name, std::optional<Index>& value, Index low,
                                Index high, const std::string& help) {
  parser_->app.add_option(name, value, help)->check(between(low, high))->type_name("COUNT");
  parser_->values.emplace_back(name, [&value] { return value ? fmt::format("{}", *value) : ""; });
  return *this;
}

CommandLine& CommandLine::argument(const std::string& name, std::string& value, bool required,
                                   const std::string& help) {
  parser_->app.add_option(name, value, help)->required(required)->check(not_empty());
  parser_->values.emplace_back(name, [&value] { return value; });
  return *this;
}

CommandLine& CommandLine::resumable(std::function<bool()> answer) {
  parser_->resumable = std::move(answer);
  return *this;
}

int CommandLine::run(int argc, char** argv, const std::function<int()>& body) {
  const std::string& program = parser_->app.get_name();
  try {
    parser_->app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", parser_->app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {}\nRun `{} --help` for the options.\n", program, error.what(),
               program);
    return 2;
  }
  listen_for_interrupts();
  try {
    const int code = body();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    fmt::print(stderr, "{}: cannot write to standard output\n", program);
  } catch (const UsageError& error) {
    fmt::print(stderr, "{}: {}\nRun `{} --help` for the options.\n", program, error.what(),
               program);
    return 2;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "{}: out of memory\n", program);
  } catch (const std::exception& error) {
    // An interruption may show as another error: that of a child that got the signal too.
    fmt::print(stderr, "{}: {}\n", program, error.what());
    if (const int signal = interrupting_signal()) {
      if (parser_->resumable && parser_->resumable()) {
        fmt::print(stderr, "go on with: {}\n", resume_command(argc, argv));
      }
      return 128 + signal;
    }
  }
  return 1;
}

std::vector<std::pair<std::string, std::string>> CommandLine::values() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& [name, value] : parser_->values) {
    all.emplace_back(name.substr(name.find_first_not_of('-')), value());
  }
  return all;
}

}  // namespace tapegrad::examples
