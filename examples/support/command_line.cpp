#include "examples/support/command_line.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "examples/support/interrupt.h"
#include "examples/support/print.h"
#include "optim/notice.h"

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

// In decimal, all of it: CLI11 takes 010 for eight.
template <class Number>
bool parse(std::string_view text, Number& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end;
}

// CLI11's own range check accepts NaN and prints six digits; this one says what is allowed.
template <class Number>
CLI::Validator between(Number low, Number high) {
  return CLI::Validator(
      [=](std::string& input) {
        Number value{};
        if (!parse(input, value) || !(value >= low && value <= high)) {
          return fmt::format("{} is not a number in {} .. {}", input, low, high);
        }
        input = fmt::format("{}", value);
        return std::string();
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

// The command again, with --resume, and with the variable that said where the images are: another
// program than the user's shell may have set it.
std::string resume_command(int argc, char** argv) {
  const auto given = [&](const char* option) {
    return std::any_of(argv, argv + argc, [&](std::string_view word) {
      return word == option || word.starts_with(fmt::format("{}=", option));
    });
  };
  const char* images = std::getenv("CIFAR10_DIR");
  const bool by_variable =
      images != nullptr && *images != '\0' && !given("--data") && !given("--synthetic");
  std::string text = by_variable ? fmt::format("CIFAR10_DIR={} ", quoted(images)) : "";
  for (int i = 0; i < argc; ++i) text += (i > 0 ? " " : "") + quoted(argv[i]);
  return given("--resume") ? text : text + " --resume";
}

// A stream that the caller closed gives its number to the next file, which would then take what is
// printed.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) == -1) ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
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
  parser_->app.add_option(name, value, help)->transform(between(low, high))->type_name("NUMBER");
  parser_->values.emplace_back(name, [&value] { return fmt::format("{}", value); });
  return *this;
}

CommandLine& CommandLine::number(const std::string& name, std::optional<double>& value, double low,
                                 double high, const std::string& help) {
  parser_->app.add_option(name, value, help)->transform(between(low, high))->type_name("NUMBER");
  parser_->values.emplace_back(name, [&value] { return value ? fmt::format("{}", *value) : ""; });
  return *this;
}

CommandLine& CommandLine::count(const std::string& name, Index& value, Index low, Index high,
                                const std::string& help) {
  parser_->app.add_option(name, value, help)->transform(between(low, high))->type_name("COUNT");
  parser_->values.emplace_back(name, [&value] { return fmt::format("{}", value); });
  return *this;
}

CommandLine& CommandLine::count(const std::string& name, std::optional<Index>& value, Index low,
                                Index high, const std::string& help) {
  parser_->app.add_option(name, value, help)->transform(between(low, high))->type_name("COUNT");
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
  occupy_standard_streams();
  const std::string& program = parser_->app.get_name();
  const auto say = [&](std::string_view what) {
    optim::notice(fmt::format("{}: {}\n", program, what));
  };
  const auto usage_error = [&](std::string_view what) {
    say(what);
    optim::notice(fmt::format("Run `{} --help` for the options.\n", program));
    return 2;
  };
  const auto all_printed = [&](int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    say("cannot write to standard output");
    return 1;
  };
  try {
    parser_->app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print("{}", parser_->app.help());
    return all_printed(0);
  } catch (const CLI::ExtrasError&) {
    return usage_error(fmt::format("not expected: {}", fmt::join(parser_->app.remaining(), " ")));
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  listen_for_interrupts();
  try {
    return all_printed(body());
  } catch (const UsageError& error) {
    return usage_error(error.what());
  } catch (const std::bad_alloc&) {
    say("out of memory");
  } catch (const std::exception& error) {
    // An interruption may show as another error: that of a child that got the signal too.
    say(error.what());
    if (const int signal = interrupting_signal()) {
      if (parser_->resumable && parser_->resumable()) {
        optim::notice(fmt::format("go on with: {}\n", resume_command(argc, argv)));
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
