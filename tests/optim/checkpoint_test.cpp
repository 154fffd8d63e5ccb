#include "optim/checkpoint.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "tensor/checksums.h"
#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/error_of.h"

using namespace tapegrad;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using optim::CheckpointOptions;
using optim::Checkpoints;

namespace {

// A training whose whole state is one number.
struct Counter {
  Index value = 0;

  std::vector<optim::StatePiece> pieces() {
    return {optim::number_piece(
        "counter", [this] { return value; }, [this](Index x) { value = x; })};
  }
};

struct Folder : test::TemporaryFolder {
  fs::path inner() const { return path() / "checkpoints"; }
  fs::path file(Index step) const { return inner() / fmt::format("step-{:09}.safetensors", step); }
  // The counter that a resumed training starts from; -1 for none. Collects warnings.
  Index resumed(std::string* warnings = nullptr) const {
    Counter counter;
    Checkpoints checkpoints({.folder = inner(),
                             .resume = true,
                             .warn =
                                 [&](const std::string& text) {
                                   if (warnings != nullptr) *warnings += text;
                                 }},
                            counter.pieces());
    return checkpoints.resume() ? counter.value : -1;
  }
  // Saves steps 10, 20, ..., with the counter at 100 times the step.
  void fill(Index last, CheckpointOptions options = {}) const {
    Counter counter;
    options.folder = inner();
    Checkpoints checkpoints(options, counter.pieces());
    for (Index step = 10; step <= last; step += 10) {
      counter.value = 100 * step;
      CHECK(checkpoints.save(step));
    }
  }
};

// A resumed training and what it was warned of.
struct Resumed {
  explicit Resumed(const Folder& folder)
      : checkpoints({.folder = folder.inner(),
                     .resume = true,
                     .warn = [this](const std::string& text) { warnings += text; }},
                    counter.pieces()),
        step(checkpoints.resume()) {}

  Counter counter;
  std::string warnings;
  Checkpoints checkpoints;
  std::optional<Index> step;
};

void damage(const fs::path& path) {
  std::vector<std::byte> bytes = read_file(path);
  bytes[bytes.size() - 33] ^= std::byte{4};  // the end of a tensor's checksum
  write_file(path, bytes);
}

}  // namespace

TEST_CASE("checkpoints: the newest is resumed, the last ones stay") {
  const Folder folder;
  folder.fill(50);
  CHECK(optim::checkpoint_steps(folder.inner()) == std::vector<Index>{40, 50});
  CHECK(folder.resumed() == 5000);
  const Folder more;
  more.fill(50, {.keep = 3});
  CHECK(optim::checkpoint_steps(more.inner()) == std::vector<Index>{30, 40, 50});
}

TEST_CASE("checkpoints: an empty folder gives nothing to resume") {
  const Folder folder;
  CHECK(folder.resumed() == -1);
  CHECK(optim::checkpoint_steps(folder.path() / "none").empty());
}

TEST_CASE("checkpoints: a damaged one is passed over, aloud, and removed after the next save") {
  const Folder folder;
  folder.fill(50);
  damage(folder.file(50));
  Resumed training(folder);
  CHECK(training.step == 40);
  CHECK(training.counter.value == 4000);
  CHECK_THAT(training.warnings,
             Contains("passed over a damaged checkpoint: " + folder.file(50).string()));
  CHECK_THAT(training.warnings, Contains("is damaged"));
  CHECK(training.checkpoints.save(45));
  CHECK(optim::checkpoint_steps(folder.inner()) == std::vector<Index>{40, 45});
}

TEST_CASE("checkpoints: when all are damaged none is used and none is lost") {
  const Folder folder;
  folder.fill(20);
  damage(folder.file(10));
  write_file(folder.file(20), "garbage");
  const std::string error = test::error_of<FormatError>([&] { folder.resumed(); });
  CHECK_THAT(error, Contains("no checkpoint in " + folder.inner().string() + " can be used"));
  CHECK_THAT(error, Contains(folder.file(10).string()));
  CHECK_THAT(error, Contains(folder.file(20).string() + ": 7 bytes are too few"));
  CHECK(optim::checkpoint_steps(folder.inner()).size() == 2);
}

TEST_CASE("checkpoints: other settings are refused by name") {
  const Folder folder;
  folder.fill(10, {.settings = {{"--hidden", "50"}, {"--seed", "1"}}});
  const auto resume = [&](std::map<std::string, std::string> settings) {
    return test::error_of<FormatError>([&] {
      Counter counter;
      Checkpoints({.folder = folder.inner(), .resume = true, .settings = std::move(settings)},
                  counter.pieces())
          .resume();
    });
  };
  CHECK(resume({{"--hidden", "50"}, {"--seed", "1"}}) == "nothing thrown");
  CHECK_THAT(resume({{"--hidden", "60"}, {"--seed", "1"}}),
             Contains("--hidden was '50' and is '60' now"));
  CHECK_THAT(resume({{"--hidden", "50"}}), Contains("--seed was '1' and is not set now"));
  CHECK_THAT(resume({{"--hidden", "50"}, {"--seed", "1"}, {"--flip", "true"}}),
             Contains("--flip was not set and is 'true' now"));
}

TEST_CASE("checkpoints: other formats and other pieces are refused") {
  const Folder folder;
  folder.fill(10);
  const Safetensors whole = parse_with_checksums(read_file(folder.file(10)), "whole");
  const auto resume_after = [&](auto change) {
    Safetensors changed = whole;
    change(changed);
    write_file(folder.file(10), serialize_with_checksums(changed));
    return test::error_of<FormatError>([&] { folder.resumed(); });
  };
  CHECK(resume_after([](Safetensors&) {}) == "nothing thrown");
  CHECK_THAT(resume_after([](Safetensors& f) { f.metadata["format"] = "tapegrad checkpoint 9"; }),
             Contains("its format is \"tapegrad checkpoint 9\""));
  CHECK_THAT(resume_after([](Safetensors& f) { f.metadata.clear(); }),
             Contains("its format is \"unknown\""));
  CHECK_THAT(resume_after([](Safetensors& f) { f.add<float>("more", Tensor<float>({1})); }),
             Contains("nothing here is called \"more\""));
  CHECK_THAT(resume_after([](Safetensors& f) { f.tensors.clear(); }),
             Contains("there is no tensor \"number\""));
}

TEST_CASE("checkpoints: an earlier training's are not overwritten") {
  const Folder folder;
  folder.fill(10);
  Counter counter;
  CHECK_THAT(
      test::error_of<FileError>([&] { Checkpoints({.folder = folder.inner()}, counter.pieces()); }),
      Contains("holds the checkpoints of an earlier training"));
  CHECK(folder.resumed() == 1000);
}

TEST_CASE("checkpoints: one training at a time") {
  const Folder folder;
  Counter counter;
  std::optional<Checkpoints> first;
  first.emplace(CheckpointOptions{.folder = folder.inner()}, counter.pieces());
  CHECK_THAT(
      test::error_of<FileError>([&] { Checkpoints({.folder = folder.inner()}, counter.pieces()); }),
      Contains("is in use by another process"));
  first.reset();
  CHECK_NOTHROW(Checkpoints({.folder = folder.inner()}, counter.pieces()));
}

TEST_CASE("checkpoints: what a killed process left half written is swept, nothing else") {
  const Folder folder;
  folder.fill(10);
  write_file(folder.inner() / ".tapegrad-99-0.part", "half");
  write_file(folder.inner() / "mine.part", "kept");
  CHECK(folder.resumed() == 1000);
  CHECK_FALSE(fs::exists(folder.inner() / ".tapegrad-99-0.part"));
  CHECK(fs::exists(folder.inner() / "mine.part"));
}

TEST_CASE("checkpoints: two pieces of one name, and options out of range, are refused at once") {
  const Folder folder;
  Counter a;
  std::vector<optim::StatePiece> twice = a.pieces();
  twice.push_back(twice.front());
  CHECK_THROWS_AS(Checkpoints({.folder = folder.inner()}, twice), FormatError);
  CHECK_THROWS_AS(Checkpoints({.folder = folder.inner(), .keep = 0}, a.pieces()), OptionError);
  CHECK_THROWS_AS(Checkpoints({.folder = folder.inner(), .every = -1}, a.pieces()), OptionError);
}

TEST_CASE("checkpoints: a folder that cannot be made is an error before the training") {
  const Folder folder;
  write_file(folder.path() / "file", "x");
  Counter counter;
  for (const fs::path& bad : {folder.path() / "file", folder.path() / "file/inside",
                              fs::path("/proc/none"), folder.path() / std::string(300, 'x')}) {
    CHECK_THAT(test::error_of<FileError>([&] { Checkpoints({.folder = bad}, counter.pieces()); }),
               Contains(bad.string()));
  }
}

TEST_CASE("checkpoints: a save that fails is told, and earlier checkpoints stay") {
  const Folder folder;
  Counter counter{7};
  std::string warnings;
  Checkpoints checkpoints(
      {.folder = folder.inner(), .warn = [&](const std::string& text) { warnings += text; }},
      counter.pieces());
  REQUIRE(checkpoints.save(1));
  counter.value = 8;
  SECTION("a limit of the files' size") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    rlimit small = before;
    small.rlim_cur = 100;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const bool saved = checkpoints.save(2);
    ::setrlimit(RLIMIT_FSIZE, &before);
    CHECK_FALSE(saved);
    CHECK_THAT(warnings, Contains("File too large"));
  }
  SECTION("something else in the file's place") {
    fs::create_directory(folder.file(2));
    CHECK_FALSE(checkpoints.save(2));
    CHECK_THAT(warnings, Contains("it is a directory, not a file"));
    fs::remove(folder.file(2));
  }
  SECTION("no more descriptors") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const bool saved = checkpoints.save(2);
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK_FALSE(saved);
    CHECK_THAT(warnings, Contains("Too many open files"));
  }
  CHECK_THAT(warnings, Contains("no checkpoint of "));
  CHECK_THAT(warnings, Contains(folder.file(2).string()));
  CHECK(optim::checkpoint_steps(folder.inner()) == std::vector<Index>{1});
  CHECK(checkpoints.save(3));  // tried again, it works
  CHECK(optim::checkpoint_steps(folder.inner()) == std::vector<Index>{1, 3});
}

TEST_CASE("checkpoints: a folder that vanishes does not end the training") {
  const Folder folder;
  Counter counter{7};
  std::string warnings;
  Checkpoints checkpoints(
      {.folder = folder.inner(), .warn = [&](const std::string& text) { warnings += text; }},
      counter.pieces());
  fs::remove_all(folder.inner());
  CHECK_FALSE(checkpoints.save(1));
  CHECK_THAT(warnings, Contains("No such file or directory"));
}

TEST_CASE("checkpoints: a copy under another step's name is passed over and stays") {
  const Folder folder;
  folder.fill(50);
  fs::copy(folder.file(50), folder.file(90));
  std::string warnings;
  CHECK(folder.resumed(&warnings) == 5000);
  CHECK_THAT(warnings, Contains(folder.file(90).string() + " holds the state after step 50"));
  CHECK(fs::exists(folder.file(90)));
}

TEST_CASE("checkpoints: what cannot be read is passed over and stays") {
  const Folder folder;
  folder.fill(50);
  fs::create_directory(folder.file(60));
  Resumed training(folder);
  CHECK(training.step == 50);
  CHECK_THAT(training.warnings,
             Contains("passed over a checkpoint: ") && Contains("is a directory"));
  CHECK(training.checkpoints.save(55));
  CHECK(fs::exists(folder.file(60)));
}

TEST_CASE("checkpoints: other files' names are let alone") {
  const Folder folder;
  folder.fill(50);
  fs::copy(folder.file(50), folder.inner() / "step-90.safetensors");
  CHECK(optim::checkpoint_steps(folder.inner()) == std::vector<Index>{40, 50});
}

TEST_CASE("checkpoints: pieces that could not be told apart are refused at once") {
  const Folder folder;
  const auto piece = [](const std::string& name) {
    return optim::number_piece(
        name, [] { return 1; }, [](Index) {});
  };
  const auto made = [&](std::vector<optim::StatePiece> pieces) {
    return test::error_of<OptionError>(
        [&] { Checkpoints({.folder = folder.inner()}, std::move(pieces)); });
  };
  CHECK_THAT(made({piece("batches"), piece("batches/validation")}),
             Contains("the piece of state \"batches\" and another have names that begin alike"));
  CHECK_THAT(made({piece(""), piece("batches")}), Contains("could not be told apart"));
  const optim::StatePiece empty{"a/b", [] { return Safetensors(); }, [](const Safetensors&) {}};
  CHECK_THAT(made({piece("a"), empty}), Contains("could not be told apart"));
  CHECK(made({piece("batches"), piece("batches2"), piece("")}) == "nothing thrown");
  CHECK(made({piece("batches/validation"), piece("batches")}) == "nothing thrown");
}

namespace {
struct Kept : test::TemporaryFolder {
  Index value = 0;
  std::vector<optim::StatePiece> pieces() {
    return {optim::number_piece(
        "counter", [this] { return value; }, [this](Index x) { value = x; })};
  }
  std::filesystem::path file(Index step) const {
    return path() / fmt::format("step-{:09}.safetensors", step);
  }
  void fill(std::initializer_list<Index> steps) {
    optim::Checkpoints c({.folder = path(), .keep = 9}, pieces());
    for (const Index s : steps) {
      value = s;
      CHECK(c.save(s));
    }
  }
};

}  // namespace

TEST_CASE("checkpoints: one passed over stays after a save, and does not cost the newest") {
  Kept folder;
  folder.fill({40, 50});
  std::filesystem::copy(folder.file(50), folder.file(90));
  optim::Checkpoints c({.folder = folder.path(), .keep = 1, .resume = true, .warn = [](auto&) {}},
                       folder.pieces());
  CHECK(c.resume() == 50);
  CHECK(c.save(55));
  CHECK(optim::checkpoint_steps(folder.path()) == std::vector<Index>{55, 90});
}

TEST_CASE("checkpoints: one that was damaged and is saved anew stays") {
  Kept folder;
  folder.fill({40, 50});
  write_file(folder.file(50), "damaged");
  optim::Checkpoints c({.folder = folder.path(), .resume = true, .warn = [](auto&) {}},
                       folder.pieces());
  CHECK(c.resume() == 40);
  CHECK(c.save(50));
  CHECK(optim::checkpoint_steps(folder.path()) == std::vector<Index>{40, 50});
}

TEST_CASE("checkpoints: two numbers are not one") {
  Index value = 7;
  const auto piece = optim::number_piece(
      "n", [&] { return value; }, [&](Index x) { value = x; });
  Safetensors two;
  const std::int64_t numbers[] = {1, 2};
  two.add_integers("number", numbers);
  CHECK_THROWS_AS(piece.restore(two), FormatError);
  CHECK(value == 7);
}
