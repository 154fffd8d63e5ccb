// Every system call of a save: the process is killed there, or the call fails.
//
// The linker's --wrap sends the library's calls through this file. For each call of a save and each
// fault, the fault happens there; afterwards the old or the new checkpoint must load.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "optim/checkpoint.h"
#include "tensor/error.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;

namespace {

enum class Fault { none, kill_before, kill_after, error, short_write };

// What is to happen, and what happened. The wrapped calls have no other way to know.
struct Plan {
  Fault fault = Fault::none;
  int error = 0;            // errno
  int position = 0;         // of the call that the fault strikes, from 1
  bool persistent = false;  // and all later ones
  int calls = 0;
  std::string struck;  // the name of the call
  bool on = false;
};
Plan plan;

// Counts the call; says whether the fault strikes it.
bool strikes(const char* name) {
  if (!plan.on) return false;
  ++plan.calls;
  const bool here = plan.persistent ? plan.calls >= plan.position : plan.calls == plan.position;
  if (here && plan.struck.empty()) plan.struck = name;
  if (here && plan.fault == Fault::kill_before) ::kill(::getpid(), SIGKILL);
  return here;
}

template <class Result, class Call>
Result pass(const char* name, Call call) {
  const bool here = strikes(name);
  if (here && plan.fault == Fault::error) {
    if (std::strcmp(name, "close") == 0) static_cast<void>(call());  // the descriptor goes anyway
    errno = plan.error;
    return -1;
  }
  const Result result = call();
  if (here && plan.fault == Fault::kill_after) ::kill(::getpid(), SIGKILL);
  return result;
}

}  // namespace

extern "C" {
int __real_open(const char* path, int flags, mode_t mode);
ssize_t __real_write(int descriptor, const void* bytes, size_t count);
int __real_fsync(int descriptor);
int __real_fchmod(int descriptor, mode_t mode);
int __real_close(int descriptor);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);

int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  return pass<int>("open", [&] { return __real_open(path, flags, mode); });
}
ssize_t __wrap_write(int descriptor, const void* bytes, size_t count) {
  const bool next = plan.calls + 1 == plan.position || plan.persistent;
  const bool shorter = plan.on && plan.fault == Fault::short_write && next && count > 1;
  return pass<ssize_t>(
      "write", [&] { return __real_write(descriptor, bytes, shorter ? count / 2 : count); });
}
int __wrap_fsync(int descriptor) {
  return pass<int>("fsync", [&] { return __real_fsync(descriptor); });
}
int __wrap_fchmod(int descriptor, mode_t mode) {
  return pass<int>("fchmod", [&] { return __real_fchmod(descriptor, mode); });
}
int __wrap_close(int descriptor) {
  return pass<int>("close", [&] { return __real_close(descriptor); });
}
int __wrap_rename(const char* from, const char* to) {
  return pass<int>("rename", [&] { return __real_rename(from, to); });
}
int __wrap_unlink(const char* path) {
  return pass<int>("unlink", [&] { return __real_unlink(path); });
}
}

namespace {

namespace fs = std::filesystem;

// A training whose state is one number: as many times 100 as it made steps.
struct Training {
  Training(const fs::path& folder, bool resume)
      : checkpoints({.folder = folder,
                     .keep = 2,
                     .resume = resume,
                     .warn = [this](const std::string& text) { warnings += text; }},
                    {optim::number_piece(
                        "number", [this] { return number; }, [this](Index x) { number = x; })}) {}

  bool save(Index step) {
    number = 100 * step;
    return checkpoints.save(step);
  }

  Index number = 0;
  std::string warnings;
  optim::Checkpoints checkpoints;
};

struct Outcome {
  std::optional<bool> saved;  // nothing when the process was killed
  std::string warnings;
};

bool is_kill(Fault fault) { return fault == Fault::kill_before || fault == Fault::kill_after; }

// Saves the third checkpoint under the plan; that also removes the first.
Outcome save_third(const fs::path& folder) {
  Training training(folder, true);
  training.checkpoints.resume();
  const auto save = [&] {
    plan.on = true;
    const bool saved = training.save(3);
    plan.on = false;
    return saved;
  };
  if (!is_kill(plan.fault)) {
    const bool saved = save();
    return {saved, training.warnings};
  }
  const pid_t child = ::fork();
  if (child == 0) {
    save();
    std::_Exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    plan.struck = "killed";
    return {};
  }
  return {true, ""};
}

// What is wrong with the outcome; empty when nothing is.
std::string complaint(const fs::path& folder, const Outcome& outcome) {
  Training after(folder, true);
  const std::optional<Index> step = after.checkpoints.resume();
  if (!after.warnings.empty()) return "a checkpoint is damaged: " + after.warnings;
  if (step != 2 && step != 3) return "neither the old nor the new checkpoint is there";
  if (after.number != 100 * *step) return "the checkpoint holds something else";
  if (outcome.saved == true && step != 3) return "said to be saved, but it is not there";
  if (outcome.saved == false) {
    const bool says_why = outcome.warnings.find(std::strerror(plan.error)) != std::string::npos &&
                          outcome.warnings.find("step-000000003") != std::string::npos;
    if (!says_why) return "the warning does not say what and why: " + outcome.warnings;
  }
  const bool harmless = plan.fault == Fault::short_write ||
                        (plan.error == EINTR && !plan.persistent && plan.struck != "rename");
  if (harmless && outcome.saved == false) return "it gave up: " + outcome.warnings;
  if (!after.save(4)) return "the next save failed: " + after.warnings;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".part") return "a temporary file was left";
  }
  return "";
}

// Strikes the call at every position in turn; returns how many there are, 0 after a complaint.
int strike_all(Fault fault, int error, bool persistent, const char* name) {
  for (int position = 1;; ++position) {
    const test::TemporaryFolder folder;
    {
      Training before(folder.path(), false);
      before.save(1);
      before.save(2);
    }
    plan = {.fault = fault,
            .error = error,
            .position = position,
            .persistent = persistent,
            .calls = 0,
            .struck = "",
            .on = false};
    const Outcome outcome = save_third(folder.path());
    if (plan.struck.empty()) return position - 1;
    const std::string wrong = complaint(folder.path(), outcome);
    if (wrong.empty()) continue;
    fmt::print("{} at call {} ({}): {}\n", name, position, plan.struck, wrong);
    return 0;
  }
}

// The twin: a checkpoint file that is written over in place, and stopped half way, is seen.
bool notices_a_torn_file() {
  const test::TemporaryFolder folder;
  {
    Training before(folder.path(), false);
    before.save(2);
  }
  const fs::path file = folder.path() / "step-000000002.safetensors";
  fs::resize_file(file, fs::file_size(file) / 2);
  plan = {};
  try {
    return !complaint(folder.path(), {true, ""}).empty();
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

int main() {
  struct Case {
    const char* name;
    Fault fault;
    int error;
    bool persistent;
  };
  const Case cases[] = {{"killed before", Fault::kill_before, 0, false},
                        {"killed after", Fault::kill_after, 0, false},
                        {"EIO once", Fault::error, EIO, false},
                        {"EIO from there on", Fault::error, EIO, true},
                        {"ENOSPC once", Fault::error, ENOSPC, false},
                        {"ENOSPC from there on", Fault::error, ENOSPC, true},
                        {"EINTR once", Fault::error, EINTR, false},
                        {"short write once", Fault::short_write, 0, false},
                        {"short writes from there on", Fault::short_write, 0, true}};
  bool fine = notices_a_torn_file();
  if (!fine) fmt::print("a torn file was not noticed\n");
  for (const Case& c : cases) {
    const int positions = strike_all(c.fault, c.error, c.persistent, c.name);
    fmt::print("{:<28}{} positions\n", c.name, positions);
    fine = fine && positions >= 8;
  }
  return fine ? 0 : 1;
}
