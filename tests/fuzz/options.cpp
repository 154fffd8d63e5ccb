// A command line, an argument to a line.
#include <sstream>
#include <vector>

#include "examples/support/command_line.h"
#include "tests/fuzz/target.h"

using namespace tapegrad;

namespace {

struct Options {
  bool quiet = false;
  std::string out = "runs", scope = "global", input;
  double lr = 0.1;
  std::optional<double> lambda;
  Index steps = 1000;

  void require_in_range() const {
    fuzz::require(lr >= 0 && lr <= 10);
    fuzz::require(!lambda || (*lambda >= 0 && *lambda <= 1e3));
    fuzz::require(steps >= 1 && steps <= 1'000'000);
    fuzz::require(scope == "global" || scope == "none");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::vector<std::string> words{"program"};
  std::istringstream lines(fuzz::text(bytes, size));
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  Options options;
  examples::CommandLine line("program", "Does nothing.");
  line.flag("--quiet", options.quiet, "say nothing")
      .text("--out", options.out, "folder")
      .choice("--scope", options.scope, {"global", "none"}, "statistics")
      .number("--lr", options.lr, 0, 10, "learning rate")
      .number("--lambda", options.lambda, 0, 1e3, "penalty")
      .count("--steps", options.steps, 1, 1'000'000, "updates")
      .argument("input", options.input, false, "a file");
  const int code = line.run(static_cast<int>(words.size()), argv.data(), [&] {
    options.require_in_range();
    for (const auto& [name, value] : line.values()) fuzz::require(!name.empty());
    return 0;
  });
  fuzz::require(code == 0 || code == 2);
  return 0;
}
