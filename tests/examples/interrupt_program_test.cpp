// The training programs interrupted by signals, and resumed.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "examples/support/checkpoint_options.h"
#include "optim/checkpoint.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/examples/program.h"

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Clock = std::chrono::steady_clock;
using tapegrad::Index;
using tapegrad::test::command_of;
using tapegrad::test::contents;
using tapegrad::test::line_in;
using tapegrad::test::Result;
using tapegrad::test::run;
using tapegrad::test::TemporaryFolder;

// A program that runs while the test does something else; its output goes into a file.
class Running {
 public:
  Running(const fs::path& folder, const std::string& program_and_options, int standard_output = -1)
      : output_(folder / "output.txt") {
    const std::string line = line_in(folder, "exec " + command_of(program_and_options));
    fs::remove(output_);  // of a program before: it would be taken for this one's
    child_ = ::fork();
    if (child_ != 0) return;
    const int file = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(standard_output >= 0 ? standard_output : file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    ::signal(SIGINT, SIG_DFL);  // tests run in the background would hand on that it is ignored
    ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    std::_Exit(127);
  }
  ~Running() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // Waits until the program has printed this.
  void wait_for(const std::string& text) const {
    wait_until([&] { return contents(output_).find(text) != std::string::npos; });
  }
  template <class Condition>
  void wait_until(Condition condition) const {
    const auto end = Clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (Clock::now() > end) throw std::runtime_error("waited in vain: " + contents(output_));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  bool runs() const { return ::waitpid(child_, nullptr, WNOHANG) == 0; }

  void send(int signal) const { ::kill(child_, signal); }

  // Its end: the exit code, or minus the signal that killed it.
  Result wait() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), contents(output_)};
  }

  // Sends a signal and waits; it must not take long.
  Result interrupt(int signal) {
    const auto start = Clock::now();
    send(signal);
    Result result = wait();
    CHECK(Clock::now() - start < std::chrono::seconds(2));
    return result;
  }

 private:
  fs::path output_;
  pid_t child_ = -1;
};

// Sanitised programs are so slow that a signal finds them at work with fewer images too.
#ifdef __SANITIZE_ADDRESS__
const std::string images = "--synthetic-images 1000 ";
#else
const std::string images;
#endif

const std::string training =
    "assignment2 --half-cycle 20 --cycles 2 --measure-per-cycle 4 --optimizer momentum --lr-max "
    "0.02 --dropout 0.2 --flip --keep-best --train-batches 1 --hidden 20 " +
    images;

const std::string search =
    "lambda_search --quiet --synthetic --train-batches 1 --validation 200 --points 3 --half-cycle "
    "40 "
    "--cycles 2 --fine-points 0 --final-cycles 1 --jobs 2 " +
    images;

// That two runs left the same.
void check_same(const fs::path& a, const fs::path& b) {
  for (const char* file : {"history.csv", "weights.safetensors"}) {
    CAPTURE(file);
    CHECK(contents(a / file).size() > 100);
    CHECK(contents(a / file) == contents(b / file));
  }
}

// The command that the program says to go on with; it begins with the program's path.
std::string resume_command(const std::string& output) {
  const std::string begin = "go on with: ";
  const std::size_t at = output.find(begin);
  if (at == std::string::npos) return "exit 99";
  const std::size_t from = at + begin.size();
  return output.substr(from, output.find('\n', from) - from);
}

}  // namespace

TEST_CASE("interrupt: a training ends in good order and goes on to the same end") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), training + "--out whole").exit_code == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string name = signal == SIGINT ? "int" : "term";
    const std::string options = fmt::format("--out {0} --checkpoint 'the {0}' --every 7", name);
    Running first(folder.path(), training + options);
    first.wait_for("\n    20 ");
    const Result stopped = first.interrupt(signal);
    CAPTURE(stopped.output);
    CHECK(stopped.exit_code == 128 + signal);
    CHECK_THAT(stopped.output, Contains("assignment2: stopped after step "));
    CHECK_THAT(stopped.output, Contains(fmt::format(", kept in the {}/step-", name)));
    CHECK(tapegrad::optim::checkpoint_steps(folder.path() / ("the " + name)).size() <= 2);

    const Result resumed = tapegrad::test::run_command(
        folder.path(), "env -u CIFAR10_DIR " + resume_command(stopped.output));
    CAPTURE(resumed.output);
    REQUIRE(resumed.exit_code == 0);
    CHECK_THAT(resumed.output, Contains("going on after step "));
    check_same(folder.path() / "whole", folder.path() / name);
  }
}

TEST_CASE("interrupt: killed at any moment, a training goes on to the same end") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), training + "--out whole").exit_code == 0);
  const std::string options = training + "--out killed --checkpoint kept --every 10 ";
  Running first(folder.path(), options);
  first.wait_until(
      [&] { return !tapegrad::optim::checkpoint_steps(folder.path() / "kept").empty(); });
  first.send(SIGKILL);
  CHECK(first.wait().exit_code == -SIGKILL);
  CHECK(run(folder.path(), options).exit_code == 2);  // nothing is overwritten by mistake
  const Result resumed = run(folder.path(), options + "--resume");
  CAPTURE(resumed.output);
  REQUIRE(resumed.exit_code == 0);
  check_same(folder.path() / "whole", folder.path() / "killed");
}

TEST_CASE("interrupt: assignment1 goes on with the setting it was at") {
  const TemporaryFolder folder;
  const std::string options = "assignment1 --epochs 2 --train-batches 1 ";
  REQUIRE(run(folder.path(), options + "--out whole").exit_code == 0);
  Running first(folder.path(), options + "--out part --checkpoint kept --every 20");
  first.wait_for("lambda 0.1, learning rate 0.001\n  step");
  const Result stopped = first.interrupt(SIGTERM);
  CAPTURE(stopped.output);
  CHECK(stopped.exit_code == 143);
  const Result resumed =
      run(folder.path(), options + "--out part --checkpoint kept --every 20 --resume");
  CAPTURE(resumed.output);
  REQUIRE(resumed.exit_code == 0);
  CHECK_THAT(resumed.output, Contains("going on after step 200 from kept/lambda0_lr0.1"));
  CHECK_THAT(resumed.output, Contains("no checkpoint in kept/lambda1_lr0.001: starting anew"));
  for (const auto& entry : fs::directory_iterator(folder.path() / "whole")) {
    check_same(entry.path(), folder.path() / "part" / entry.path().filename());
  }
}

TEST_CASE("interrupt: without a checkpoint folder a training says that it is lost") {
  const TemporaryFolder folder;
  Running first(folder.path(), training);
  first.wait_for("\n    20 ");
  const Result stopped = first.interrupt(SIGINT);
  CAPTURE(stopped.output);
  CHECK(stopped.exit_code == 130);
  CHECK_THAT(stopped.output, Contains("stopped after step ") && !Contains("go on with"));
}

TEST_CASE("interrupt: the second signal ends a program at once that is stuck") {
  const TemporaryFolder folder;
  // Nobody reads what it prints, so it waits for ever in the middle of a line.
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_NONBLOCK) == 0);
  while (::write(pipe[1], "full", 4) > 0) continue;
  REQUIRE(::fcntl(pipe[1], F_SETFL, 0) == 0);
  Running first(folder.path(), training, pipe[1]);
  first.wait_until([&] { return fs::exists(folder.path() / "runs/assignment2"); });
  first.send(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(first.runs());
  CHECK(first.interrupt(SIGTERM).exit_code == -SIGTERM);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("interrupt: checks of gradients end too, without a verdict") {
  const TemporaryFolder folder;
  Running check(folder.path(), "gradient_check --synthetic --seeds 1000");
  check.wait_for("seed 2; ");
  const Result stopped = check.interrupt(SIGTERM);
  CHECK(stopped.exit_code == 143);
  CHECK_THAT(stopped.output, Contains("gradient_check: stopped") && !Contains("1000 seeds: "));
}

TEST_CASE("interrupt: a signal that is ignored stays ignored") {
  const TemporaryFolder folder;
  const Result result = tapegrad::test::run_command(
      folder.path(),
      "trap '' INT; " + command_of(training + "--quiet") + " & sleep 0.3; kill -INT $!; wait $!");
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
}

TEST_CASE("interrupt: a signal that is ignored stays ignored after another one") {
  const TemporaryFolder folder;
  const Result result = tapegrad::test::run_command(
      folder.path(), "trap '' INT; " +
                         command_of("assignment2 --quiet --half-cycle 100000 " + images) +
                         " & sleep 1; kill -TERM $!; kill -INT $!; wait $!");
  CAPTURE(result.output);
  CHECK(result.exit_code == 128 + SIGTERM);
}

TEST_CASE("interrupt: a terminal that is closed, which is told twice, leaves a checkpoint") {
  const TemporaryFolder folder;
  Running first(folder.path(), training + "--out out --checkpoint kept --every 100");
  first.wait_for("\n    20 ");
  first.send(SIGHUP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const Result stopped = first.interrupt(SIGHUP);
  CAPTURE(stopped.output);
  CHECK(stopped.exit_code == 128 + SIGHUP);
  CHECK_THAT(stopped.output, Contains(", kept in kept/step-"));
}

TEST_CASE("interrupt: a search ends in good order and goes on to the same tables") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), search + "--out whole").exit_code == 0);
  Running first(folder.path(), search + "--out part");
  first.wait_until([&] { return fs::exists(folder.path() / "part/coarse.journal"); });
  const Result stopped = first.interrupt(SIGINT);
  CAPTURE(stopped.output);
  CHECK(stopped.exit_code == 130);
  CHECK_THAT(stopped.output, Contains("go on with: ") && Contains("--out part --resume\n"));
  const Result resumed = run(folder.path(), search + "--out part --resume");
  REQUIRE(resumed.exit_code == 0);
  CHECK(contents(folder.path() / "part/coarse.csv") ==
        contents(folder.path() / "whole/coarse.csv"));
  check_same(folder.path() / "part", folder.path() / "whole");
}

TEST_CASE("interrupt: a search goes on with the trainings that were under way") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), search + "--out whole").exit_code == 0);
  const std::string kept = search + "--checkpoint kept --every 10 ";
  Running first(folder.path(), kept + "--out part");
  const tapegrad::examples::CheckpointOptions trainings{.folder =
                                                            (folder.path() / "kept").string()};
  first.wait_until([&] { return trainings.any(); });
  first.send(SIGKILL);
  first.wait();
  CHECK(run(folder.path(), kept + "--out other").exit_code == 2);
  const Result resumed = run(folder.path(), kept + "--out part --resume");
  CAPTURE(resumed.output);
  REQUIRE(resumed.exit_code == 0);
  CHECK(contents(folder.path() / "part/coarse.csv") ==
        contents(folder.path() / "whole/coarse.csv"));
  check_same(folder.path() / "part", folder.path() / "whole");
}

TEST_CASE("interrupt: the reports' replication goes on to the same figures") {
  const TemporaryFolder folder;
  const std::string replication = "reproduce '003/coarse search' --quick --jobs 2 ";
  REQUIRE(run(folder.path(), replication + "--out whole").exit_code == 0);
  Running first(folder.path(), replication + "--out part --checkpoint kept --every 1");
  const tapegrad::examples::CheckpointOptions trainings{.folder =
                                                            (folder.path() / "kept").string()};
  first.wait_until([&] { return trainings.any(); });
  const Result stopped = first.interrupt(SIGTERM);
  CAPTURE(stopped.output);
  CHECK(stopped.exit_code == 143);
  CHECK_THAT(stopped.output, Contains("--resume"));
  const Result resumed =
      run(folder.path(), replication + "--out part --checkpoint kept --every 1 --resume");
  CAPTURE(resumed.output);
  REQUIRE(resumed.exit_code == 0);
  CHECK_THAT(resumed.output, Contains("of which went on from what was kept"));
  CHECK(contents(folder.path() / "part/figures.csv") ==
        contents(folder.path() / "whole/figures.csv"));
}

TEST_CASE("interrupt: resuming nothing starts anew, resuming other settings is refused") {
  const TemporaryFolder folder;
  const std::string options = "assignment2 --quiet --half-cycle 10 --measure-per-cycle 1 " + images;
  const Result anew = run(folder.path(), options + "--checkpoint kept --resume");
  CAPTURE(anew.output);
  CHECK(anew.exit_code == 0);
  CHECK_THAT(anew.output, Contains("no checkpoint in kept: starting anew"));
  for (const auto& [changed, reason] :
       {std::pair{"--hidden 51", "--hidden was '50' and is '51' now"},
        std::pair{"--validation 500", "the validation images was"},
        std::pair{"--cycles 2", "--cycles was '1' and is '2' now"}}) {
    const Result other =
        run(folder.path(), options + "--checkpoint kept --resume " + std::string(changed));
    CAPTURE(changed, other.output);
    CHECK(other.exit_code == 1);
    CHECK_THAT(other.output, Contains(reason));
  }
  const Result same = run(folder.path(), options + "--checkpoint kept --resume --threads 2");
  CHECK(same.exit_code == 0);
  for (const char* wrong : {"--resume", "--range-test --checkpoint other"}) {
    CHECK(run(folder.path(), options + wrong).exit_code == 2);
  }
}

TEST_CASE("interrupt: how often to save without a folder to save in is refused") {
  const TemporaryFolder folder;
  for (const std::string program : {"assignment1", "assignment2"}) {
    for (const std::string every : {"--every 5", "--every 1000", "--every 0"}) {
      const Result result = run(folder.path(), program + " " + every);
      CAPTURE(program, every, result.output);
      CHECK(result.exit_code == 2);
      CHECK_THAT(result.output,
                 Contains("--every") && Contains("give the --checkpoint folder too"));
      CHECK(fs::is_empty(folder.path()));
    }
  }
  // With the folder they are accepted, the default too.
  const std::string short_training = "assignment2 --quiet --half-cycle 5 " + images;
  for (const std::string every : {"", "--every 1000", "--every 0"}) {
    const Result result = run(
        folder.path(), fmt::format("{} --checkpoint 'kept{}' {}", short_training, every, every));
    CAPTURE(every, result.output);
    CHECK(result.exit_code == 0);
  }
}

TEST_CASE("interrupt: a full disk does not end a training") {
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), training + "--out whole").exit_code == 0);
  // Writes of more than 400 blocks of 512 bytes fail; the weights have 240 KiB, the checkpoints
  // 500.
  const Result result = tapegrad::test::run_command(
      folder.path(),
      "ulimit -f 400; " + command_of(training + "--out full --checkpoint kept --every 40"));
  CAPTURE(result.output);
  CHECK_THAT(result.output, Contains("warning: no checkpoint of ") && Contains("File too large") &&
                                Contains("kept/step-000000040.safetensors") &&
                                Contains("training goes on"));
  CHECK_THAT(result.output, Contains("\n    80 "));  // to the end
  CHECK(result.exit_code == 1);                      // the weights do not fit either
  CHECK_THAT(result.output, Contains("weights.safetensors: File too large"));
}
