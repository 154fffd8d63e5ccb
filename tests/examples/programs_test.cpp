// The example programs as a user meets them: results, files, errors and exit codes.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tensor/safetensors.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"
#include "tests/examples/program.h"

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using tapegrad::test::command_of;
using tapegrad::test::contents;
using tapegrad::test::Result;
using tapegrad::test::run;
using tapegrad::test::run_command;

}  // namespace

TEST_CASE("programs: assignment2 leaves history, summary and weights that predict can use") {
  const tapegrad::test::TemporaryFolder folder;
  const Result trained =
      run(folder.path(), "assignment2 --half-cycle 20 --measure-per-cycle 2 --out out/a --seed 3");
  CAPTURE(trained.output);
  REQUIRE(trained.exit_code == 0);
  CHECK_THAT(trained.output, Contains("synthetic images: no CIFAR-10 found"));
  CHECK_THAT(trained.output, Contains("linear  [100, 50]    0.weight [50, 3072], 0.bias [50]"));
  CHECK_THAT(trained.output, Contains("40 steps in "));

  const std::string history = contents(folder.path() / "out/a/history.csv");
  CHECK_THAT(history,
             StartsWith("step,epoch,lr,train_cost,train_loss,train_accuracy,"
                        "validation_cost,validation_loss,validation_accuracy\n0,0,1e-05,"));
  CHECK(std::count(history.begin(), history.end(), '\n') == 4);

  const auto summary = nlohmann::json::parse(contents(folder.path() / "out/a/summary.json"));
  CHECK(summary["program"] == "assignment2");
  CHECK(summary["parameters"] == 154160);
  CHECK(summary["steps"] == 40);
  CHECK(summary["options"]["half-cycle"] == "20");
  CHECK(summary["options"]["lambda"] == "0.01");
  CHECK(summary["data"]["files"].empty());
  const double accuracy = summary["final"]["test"]["accuracy"];
  CHECK(accuracy > 0.15);
  CHECK(summary["final"]["train"]["cost"] > summary["final"]["train"]["loss"]);

  const Result predicted = run(folder.path(), "predict --weights out/a/weights.safetensors");
  CAPTURE(predicted.output);
  CHECK(predicted.exit_code == 0);
  CHECK_THAT(predicted.output, Contains(fmt::format("accuracy {:.4f}", accuracy)));

  std::ofstream(folder.path() / "gray.ppm") << "P6\n# a comment\n32 32\n255\n"
                                            << std::string(3072, 'x');
  const Result picture = run(folder.path(), "predict --weights out/a/weights.safetensors gray.ppm");
  CAPTURE(picture.output);
  CHECK(picture.exit_code == 0);
  CHECK(std::count(picture.output.begin(), picture.output.end(), '\n') == 10);

  std::ofstream(folder.path() / "small.ppm") << "P6 31 32 255\n" << std::string(3 * 31 * 32, 'x');
  const Result small = run(folder.path(), "predict --weights out/a/weights.safetensors small.ppm");
  CHECK(small.exit_code == 1);
  CHECK(small.output ==
        "predict: the picture is 31 x 32, but the network takes 32 x 32; resize it first\n");
}

TEST_CASE("programs: predict knows the weights that were trained with dropout") {
  const tapegrad::test::TemporaryFolder folder;
  REQUIRE(run(folder.path(), "assignment2 --quiet --half-cycle 2 --hidden 5 --dropout 0.5 --out a")
              .exit_code == 0);
  const auto summary = nlohmann::json::parse(contents(folder.path() / "a/summary.json"));
  const double accuracy = summary["final"]["test"]["accuracy"];
  const Result predicted = run(folder.path(), "predict --weights a/weights.safetensors");
  CAPTURE(predicted.output);
  CHECK(predicted.exit_code == 0);
  CHECK_THAT(predicted.output, Contains(fmt::format("accuracy {:.4f}", accuracy)));
}

TEST_CASE("programs: the same seed gives the same history, another seed another one") {
  const tapegrad::test::TemporaryFolder folder;
  const std::string options =
      "assignment2 --quiet --synthetic-images 1000 --half-cycle 3 --measure-per-cycle 1 ";
  REQUIRE(run(folder.path(), options + "--out a --seed 7").exit_code == 0);
  REQUIRE(run(folder.path(), options + "--out b --seed 7").exit_code == 0);
  REQUIRE(run(folder.path(), options + "--out c --seed 8").exit_code == 0);
  CHECK(contents(folder.path() / "a/history.csv") == contents(folder.path() / "b/history.csv"));
  CHECK(contents(folder.path() / "a/history.csv") != contents(folder.path() / "c/history.csv"));
}

TEST_CASE("programs: assignment1 runs one setting or four") {
  const tapegrad::test::TemporaryFolder folder;
  const Result one = run(folder.path(), "assignment1 --quiet --lambda 0.1 --epochs 1 --out one");
  CAPTURE(one.output);
  CHECK(one.exit_code == 0);
  CHECK_THAT(one.output, Contains("     0.1   0.001"));
  CHECK(fs::exists(folder.path() / "one/history.csv"));

  const Result four =
      run(folder.path(), "assignment1 --quiet --epochs 1 --batch-size 5000 --out four");
  CHECK(four.exit_code == 0);
  CHECK(fs::exists(folder.path() / "four/lambda0_lr0.1/summary.json"));
  CHECK(fs::exists(folder.path() / "four/lambda1_lr0.001/weights.safetensors"));
}

TEST_CASE(
    "programs: gradient_check passes with centred differences and fails with a useless step") {
  const tapegrad::test::TemporaryFolder folder;
  const Result good = run(folder.path(), "gradient_check --synthetic --quiet");
  CAPTURE(good.output);
  CHECK(good.exit_code == 0);
  CHECK_THAT(good.output, Contains("pass"));
  const Result bad = run(folder.path(), "gradient_check --synthetic --quiet --step 0.1");
  CHECK(bad.exit_code == 1);
  CHECK_THAT(bad.output, Contains("FAIL"));
}

TEST_CASE("programs: gradient_check gives forward differences the error that is theirs") {
  const tapegrad::test::TemporaryFolder folder;
  const auto check = [&](const char* step) {
    return run(folder.path(),
               std::string("gradient_check --synthetic --difference forward --step ") + step);
  };
  const Result good = check("1e-6");
  CHECK(good.exit_code == 0);
  CHECK_THAT(good.output, !Contains("FAIL"));
  CHECK(check("0.5").exit_code == 1);
}

TEST_CASE("programs: gradient_check counts kinks over all seeds, some of which have a few") {
  const tapegrad::test::TemporaryFolder folder;
  const Result result = run(folder.path(), "gradient_check --synthetic --quiet --seeds 8");
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.output, !Contains("most kinks 0.00 %"));
}

TEST_CASE("programs: every planted fault is caught, and named where it has a pattern") {
  const tapegrad::test::TemporaryFolder folder;
  const std::map<std::string, std::string> named{
      {"double", "0.weight: every entry is 2 times what it should be"},
      {"half", "0.weight: every entry is 1/2 times what it should be"},
      {"sign", "0.weight: every entry has the wrong sign"},
      {"ignored", "this input is ignored by a vjp"},
      {"transposed", "0.weight: the entries are those of the transposed gradient"},
      {"row", "0.weight: row 3 missing"},
      {"column", "0.weight: column 7 missing"},
      {"element", "1 of "},
      {"nan", "0.weight: the gradient is nan at element 17"},
      {"penalty-missing", "the difference is -0.2 times the parameter itself"},
      {"penalty-half", "the difference is -0.1 times the parameter itself"},
      {"penalty-batch", "the difference is -0.198 times the parameter itself"},
      {"fan-out", "one vjp overwrites where it should add"},
      {"update-cost-only", "penalty in the cost but not in the update"},
      {"update-half", "half of 2 lambda W in the update"},
      {"update-batch", "2 lambda W divided by the batch size (100) in the update"}};
  const Result list = run(folder.path(), "gradient_check --plant list");
  CHECK(list.exit_code == 0);
  CHECK(std::count(list.output.begin(), list.output.end(), '\n') == std::ssize(named));
  const Result all = run(folder.path(), "gradient_check --synthetic --plant all");
  CHECK(all.exit_code == 1);
  CHECK_THAT(all.output, !Contains("NOT caught"));
  for (const auto& [fault, text] : named) {
    CHECK_THAT(list.output, Contains(fault));
    const std::size_t begin = all.output.find("\n" + fault + ": ");
    REQUIRE(begin != std::string::npos);
    const std::string section = all.output.substr(begin, all.output.find("caught", begin) - begin);
    CHECK_THAT(section, Contains(text));
  }
  CHECK(run(folder.path(), "gradient_check --plant nonsense").exit_code == 2);
}

TEST_CASE("programs: bad options are usage errors") {
  const tapegrad::test::TemporaryFolder folder;
  const auto usage_error = [&](const std::string& command, const std::string& text) {
    const Result result = run(folder.path(), command);
    CAPTURE(command, result.output);
    CHECK(result.exit_code == 2);
    CHECK(result.output == text);
  };
  const std::string see = "Run `assignment2 --help` for the options.\n";
  usage_error("assignment2 --lamda 1", "assignment2: not expected: --lamda 1\n" + see);
  usage_error("assignment2 --hidden 0x10",
              "assignment2: --hidden: 0x10 is not a number in 1 .. 100000\n" + see);
  usage_error("assignment2 --lambda -1",
              "assignment2: --lambda: -1 is not a number in 0 .. 1000000\n" + see);
  usage_error("assignment2 --lambda nan",
              "assignment2: --lambda: nan is not a number in 0 .. 1000000\n" + see);
  usage_error("assignment2 --cycles 1.5",
              "assignment2: --cycles: 1.5 is not a number in 1 .. 1000000\n" + see);
  usage_error("assignment2 --train-batches 6",
              "assignment2: --train-batches: 6 is not a number in 1 .. 5\n" + see);
  usage_error("assignment2 --hidden", "assignment2: --hidden: 1 required COUNT missing\n" + see);
  usage_error("assignment2 --data . --synthetic",
              "assignment2: --data and --synthetic exclude each other: give one of them\n" + see);
  usage_error("assignment2 --data ''", "assignment2: --data: is empty\n" + see);
  usage_error("assignment2 --lr-min 1", "assignment2: --lr-min is above --lr-max\n" + see);
  usage_error(
      "assignment2 --validation 10001",
      "assignment2: --validation 10001: with --train-batches 1 at most 10000 images are left "
      "for it, those of the next batch\n" +
          see);
  usage_error("assignment2 --batch-size 10001 --quiet",
              "assignment2: --batch-size 10001 with 10000 training images\n" + see);
  usage_error("assignment2 --precision half",
              "assignment2: --precision: half not in {float,double}\n" + see);
}

TEST_CASE("programs: gradient_check takes no options that it would not obey") {
  const tapegrad::test::TemporaryFolder folder;
  for (const char* options : {"--full --json", "--report all --json", "--plant sign --report 004",
                              "--full --plant sign", "--full --step 0.5", "--plant sign --quiet",
                              "--report all --seeds 2", "--full --difference forward"}) {
    const Result result = run(folder.path(), std::string("gradient_check --synthetic ") + options);
    CAPTURE(options, result.output);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.output, Contains("give one") || Contains("--json prints") ||
                                  Contains("for the checks of both networks"));
  }
  const Result report = run(folder.path(), "gradient_check --report 5");
  CHECK(report.exit_code == 2);
  CHECK_THAT(report.output, StartsWith("gradient_check: --report: 5 not in {000,001,"));
}

TEST_CASE("programs: what cannot be done is said in one line, exit code 1") {
  const tapegrad::test::TemporaryFolder folder;
  const auto error = [&](const std::string& command, const std::string& text) {
    const Result result = run(folder.path(), command);
    CAPTURE(command, result.output);
    CHECK(result.exit_code == 1);
    CHECK(result.output == text + "\n");
  };
  error("assignment2 --data nowhere",
        "assignment2: cifar10: nowhere (given by --data) is not a folder: give the one that holds "
        "the "
        "six .bin files, or run script/get-cifar10");
  error("assignment2 --out /proc/none",
        "assignment2: cannot create /proc/none: No such file or directory");
  error("predict --weights none.safetensors",
        "predict: there is no none.safetensors: train with assignment1 or assignment2 first, or "
        "give its --weights");
  std::ofstream(folder.path() / "bad.safetensors") << "not a model";
  const Result bad = run(folder.path(), "predict --weights bad.safetensors");
  CHECK(bad.exit_code == 1);
  CHECK_THAT(bad.output, StartsWith("predict: bad.safetensors: "));
}

TEST_CASE("programs: the README shows the program that is compiled") {
  const std::string readme = contents(fs::path(TAPEGRAD_SOURCE_DIR) / "README.md");
  const std::string program = contents(fs::path(TAPEGRAD_SOURCE_DIR) / "examples/readme.cpp");
  REQUIRE(program.size() > 500);
  CHECK_THAT(readme, Contains("```cpp\n" + program + "```"));
}

TEST_CASE("programs: a loss that is not finite ends the run and says where") {
  const tapegrad::test::TemporaryFolder folder;
  const Result result = run(folder.path(), "assignment2 --quiet --lr-max 1000 --half-cycle 200");
  CAPTURE(result.output);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.output, StartsWith("assignment2: the loss is "));
  CHECK_THAT(result.output,
             Contains("a lower learning rate or clipped gradients may keep it finite"));
  CHECK_THAT(result.output, Contains("run again with --detect-anomaly"));
}

TEST_CASE("programs: --detect-anomaly names the op that goes wrong, and changes no number") {
  const tapegrad::test::TemporaryFolder folder;
  const std::string broken =
      "--quiet --synthetic-images 1000 --seed 1 --detect-anomaly --lr-max 1000 --half-cycle 50";
  const Result found = run(folder.path(), "assignment2 " + broken);
  CAPTURE(found.output);
  CHECK(found.exit_code == 1);
  CHECK_THAT(found.output, StartsWith("assignment2: step "));
  CHECK_THAT(found.output, Contains("so it is the first to go wrong"));
  CHECK_THAT(found.output, !Contains("run again"));
  const Result first =
      run(folder.path(),
          "assignment1 --quiet --synthetic-images 1000 --lr 1e3 --lambda 1e6 --epochs 2 "
          "--detect-anomaly");
  CHECK(first.exit_code == 1);
  CHECK_THAT(first.output, StartsWith("assignment1: step "));

  const std::string usual = "assignment2 --quiet --synthetic-images 1000 --half-cycle 20 --out ";
  REQUIRE(run(folder.path(), usual + "off").exit_code == 0);
  REQUIRE(run(folder.path(), usual + "on --detect-anomaly").exit_code == 0);
  CHECK(contents(folder.path() / "on/weights.safetensors") ==
        contents(folder.path() / "off/weights.safetensors"));
}

TEST_CASE("programs: --help lists every option with its default") {
  const tapegrad::test::TemporaryFolder folder;
  const Result help = run(folder.path(), "assignment2 --help");
  CHECK(help.exit_code == 0);
  for (const char* option :
       {"--data", "--synthetic", "--hidden", "--lambda", "--lr-min", "--lr-max", "--half-cycle",
        "--cycles", "--batch-size", "--seed", "--sequential", "--standardize", "--train-batches",
        "--validation", "--measure-per-cycle", "--precision", "--out", "--quiet"}) {
    CHECK_THAT(help.output, Contains(option));
  }
  CHECK_THAT(help.output, Contains("--half-cycle COUNT=500"));
}

TEST_CASE("programs: a standard error that takes nothing changes nothing") {
  const tapegrad::test::TemporaryFolder folder;
  const std::string training =
      command_of("assignment2 --quiet --synthetic --synthetic-images 200 --half-cycle 2 --out ");
  for (const char* closed : {"2>/dev/full", "2>&-", ">&- 2>&-"}) {
    const Result result =
        run_command(folder.path(), "( " + training + "'" + closed + "' " + closed + " )");
    CAPTURE(closed, result.output);
    CHECK(result.exit_code == (closed[0] == '2' ? 0 : 1));
    CHECK(contents(folder.path() / closed / "summary.json").size() > 100);
  }
  CHECK(run_command(folder.path(), "( " + command_of("assignment2 --hidden 0") + " 2>&- )")
            .exit_code == 2);
}

TEST_CASE("programs: help that cannot be printed is an error") {
  const tapegrad::test::TemporaryFolder folder;
  for (const char* closed : {">/dev/full", ">&-"}) {
    const Result result =
        run_command(folder.path(), "( " + command_of("assignment2 --help ") + closed + " )");
    CHECK(result.exit_code == 1);
    CHECK(result.output == "assignment2: cannot write to standard output\n");
  }
}

TEST_CASE("programs: a path need not be UTF-8, and counts are decimal") {
  const tapegrad::test::TemporaryFolder folder;
  const std::string name = "bad\xff\xfe";
  const Result result = run(folder.path(),
                            "assignment2 --quiet --synthetic --synthetic-images 200 --hidden 010 "
                            "--half-cycle 2 --out '" +
                                name + "'");
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK(fs::file_size(folder.path() / name / "weights.safetensors") > 100);
  CHECK_THAT(contents(folder.path() / name / "summary.json"), Contains("\"hidden\": \"10\""));
}

TEST_CASE("programs: what will be needed at the end is looked for at the beginning") {
  const tapegrad::test::TemporaryFolder folder;
  const std::string few = "--quiet --synthetic --synthetic-images 200 ";
  for (const std::string& program :
       {"assignment1 --epochs 1 --pictures " + few, "assignment2 --half-cycle 2 --pictures " + few,
        "lambda_search --half-cycle 2 " + few, std::string("reproduce --quick ")}) {
    const Result result =
        run_command(folder.path(), "PATH=/nowhere " + command_of(program + "--out without"));
    CAPTURE(program, result.output);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.output, Contains("cannot run gnuplot: No such file or directory: install"));
    CHECK_FALSE(fs::exists(folder.path() / "without"));
  }
  fs::create_directories(folder.path() / "out");
  fs::create_symlink("/nowhere/file", folder.path() / "out/summary.json");
  const Result result = run(folder.path(), "assignment2 --half-cycle 100000 " + few + "--out out");
  CHECK(result.exit_code == 1);
  CHECK(result.output == "assignment2: cannot write out/summary.json: No such file or directory\n");
}

TEST_CASE("programs: predict refuses weights that are damaged") {
  const tapegrad::test::TemporaryFolder folder;
  REQUIRE(run(folder.path(),
              "assignment2 --quiet --synthetic --synthetic-images 200 --half-cycle 2 --out out")
              .exit_code == 0);
  const fs::path path = folder.path() / "out/weights.safetensors";
  CHECK(run(folder.path(), "predict --synthetic --weights out/weights.safetensors").exit_code == 0);
  tapegrad::Safetensors weights = tapegrad::read_safetensors(path);
  auto bias = weights.at("2.bias").as<float>();
  bias[3] = std::nanf("");
  weights.tensors.erase("2.bias");
  weights.add<float>("2.bias", bias);
  tapegrad::write_safetensors(path, weights);
  const Result result = run(folder.path(), "predict --synthetic --weights out/weights.safetensors");
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.output, Contains("its weights are damaged"));
}
