// Kills a process that saves checkpoints, at random moments, and looks at what it left.
// usage: checkpoint_kills KILLS [KIBIBYTES]
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "optim/checkpoint.h"
#include "tensor/checksums.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

// A training's state: the step, and many numbers that say the same.
struct State {
  explicit State(Index kibibytes) : numbers(static_cast<std::size_t>(kibibytes * 128)) {}

  std::vector<optim::StatePiece> pieces() {
    return {{"state",
             [this] {
               Safetensors state;
               state.add_integers("numbers", numbers);
               return state;
             },
             [this](const Safetensors& state) { numbers = state.at("numbers").integers(); }}};
  }
  void set(Index step) { std::fill(numbers.begin(), numbers.end(), step); }
  bool is(Index step) const {
    return std::all_of(numbers.begin(), numbers.end(), [=](auto x) { return x == step; });
  }

  std::vector<std::int64_t> numbers;
};

// Tells the parent which step is on the disk.
void acknowledge(int pipe, Index step) {
  if (::write(pipe, &step, sizeof step) != sizeof step) std::_Exit(3);
}

[[noreturn]] void save_for_ever(const fs::path& folder, Index kibibytes, int pipe) {
  State state(kibibytes);
  optim::Checkpoints checkpoints({.folder = folder, .resume = true}, state.pieces());
  for (Index step = checkpoints.resume().value_or(0) + 1;; ++step) {
    state.set(step);
    if (!checkpoints.save(step)) std::_Exit(4);
    acknowledge(pipe, step);
  }
}

// The twin: writes the one file in place, on a slow disk, and is killed half way.
[[noreturn]] void write_for_ever(const fs::path& folder, Index kibibytes, int pipe) {
  State state(kibibytes);
  for (Index step = 1;; ++step) {
    state.set(step);
    const auto bytes = serialize_with_checksums(state.pieces()[0].save());
    const Index half = std::ssize(bytes) / 2;
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    std::ofstream file(folder / "plain");
    file.write(text, half).flush();
    acknowledge(pipe, step);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    file.write(text + half, std::ssize(bytes) - half);
  }
}

// Starts a process, kills it some time after its first save, and returns the last step that it
// acknowledged.
template <class F>
Index kill_one(F work, std::chrono::microseconds delay) {
  int ends[2];
  if (::pipe(ends) != 0) throw FileError("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    work(ends[1]);
  }
  ::close(ends[1]);
  Index last = 0;
  const bool alive = ::read(ends[0], &last, sizeof last) == sizeof last;
  if (alive) std::this_thread::sleep_for(delay);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  for (Index step = 0; ::read(ends[0], &step, sizeof step) == sizeof step;) last = step;
  ::close(ends[0]);
  if (!alive || !WIFSIGNALED(status)) throw FileError("the saving process ended by itself");
  return last;
}

Index temporary_files(const fs::path& folder) {
  Index count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    count += entry.path().extension() == ".part";
  }
  return count;
}

struct Tally {
  Index unreadable = 0;   // a checkpoint that is damaged, or says something else than its step
  Index lost = 0;         // an acknowledged step was not there
  Index interrupted = 0;  // temporary files that killed processes left
  Index stale = 0;        // of them after a restart
};

Tally kill_many(Index kills, Index kibibytes, Rng rng) {
  const test::TemporaryFolder folder;
  Tally tally;
  for (Index i = 0; i < kills; ++i) {
    const std::chrono::microseconds delay(rng.below(20'000));
    const Index acknowledged =
        kill_one([&](int pipe) { save_for_ever(folder.path(), kibibytes, pipe); }, delay);
    tally.interrupted += temporary_files(folder.path());
    State state(kibibytes);
    optim::Checkpoints checkpoints({.folder = folder.path(),
                                    .resume = true,
                                    .warn = [&](const std::string&) { ++tally.unreadable; }},
                                   state.pieces());
    const Index resumed = checkpoints.resume().value_or(0);
    tally.unreadable += !state.is(resumed);
    tally.lost += resumed < acknowledged;
    tally.stale += temporary_files(folder.path());
  }
  return tally;
}

// How often a file written in place is found unreadable.
Index kill_plain(Index kills, Index kibibytes, Rng rng) {
  const test::TemporaryFolder folder;
  Index unreadable = 0;
  for (Index i = 0; i < kills; ++i) {
    const std::chrono::microseconds delay(rng.below(20'000));
    kill_one([&](int pipe) { write_for_ever(folder.path(), kibibytes, pipe); }, delay);
    try {
      parse_with_checksums(read_file(folder.path() / "plain"), "plain");
    } catch (const FormatError&) {
      ++unreadable;
    }
  }
  return unreadable;
}

}  // namespace

int main(int argc, char** argv) {
  const Index kills = argc > 1 ? std::atoll(argv[1]) : 10;
  const Index kibibytes = argc > 2 ? std::atoll(argv[2]) : 1024;
  const Tally tally = kill_many(kills, kibibytes, Rng(1));
  const Index plain = kill_plain(kills, kibibytes, Rng(2));
  fmt::print(
      "{} kills, {} KiB: {} unreadable, {} acknowledged steps lost, {} temporary files left, {} of "
      "them after a restart\n"
      "written in place instead: {} unreadable\n",
      kills, kibibytes, tally.unreadable, tally.lost, tally.interrupted, tally.stale, plain);
  return tally.unreadable == 0 && tally.lost == 0 && tally.stale == 0 && plain > 0 ? 0 : 1;
}
