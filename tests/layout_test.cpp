// The folders' dependencies point one way.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace {

namespace fs = std::filesystem;

// What each folder of the library may include besides itself.
const std::map<std::string, std::set<std::string>> allowed{
    {"tensor", {}},
    {"autograd", {"tensor"}},
    {"nn", {"tensor", "autograd"}},
    {"optim", {"tensor", "autograd"}},
    {"data", {"tensor"}},
};

// The folders that a source file of `folder` includes and may not.
std::vector<std::string> violations(const std::string& folder, const std::string& source) {
  std::vector<std::string> found;
  std::istringstream lines(source);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#include ") || line.size() < 11) continue;
    const std::string target = line.substr(10, line.find('/') - 10);
    const bool ours = allowed.contains(target) || target == "examples" || target == "tests";
    if (ours && target != folder && !allowed.at(folder).contains(target)) found.push_back(target);
  }
  return found;
}

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

bool is_source(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cpp";
}

}  // namespace

TEST_CASE("layout: no folder includes one that it must not know") {
  int files = 0;
  for (const auto& [folder, ignored] : allowed) {
    for (const auto& entry : fs::directory_iterator(fs::path(TAPEGRAD_SOURCE_DIR) / folder)) {
      if (!is_source(entry.path())) continue;
      ++files;
      CAPTURE(entry.path().string());
      CHECK(violations(folder, contents(entry.path())).empty());
    }
  }
  CHECK(files > 40);
}

TEST_CASE("layout: an include against the direction is noticed") {
  CHECK(violations("tensor", "#include \"autograd/tape.h\"\n") ==
        std::vector<std::string>{"autograd"});
  CHECK(violations("nn", "#include \"optim/sgd.h\"\n") == std::vector<std::string>{"optim"});
  CHECK(violations("data", "#include <nn/linear.h>\n") == std::vector<std::string>{"nn"});
  CHECK(violations("optim", "#include \"autograd/tape.h\"\n").empty());
}

TEST_CASE("layout: only tensor/blas.cpp sees OpenBLAS") {
  for (const auto& [folder, ignored] : allowed) {
    for (const auto& entry : fs::directory_iterator(fs::path(TAPEGRAD_SOURCE_DIR) / folder)) {
      if (!is_source(entry.path())) continue;
      CAPTURE(entry.path().string());
      const bool sees = contents(entry.path()).find("#include <cblas.h>") != std::string::npos;
      CHECK(sees == (entry.path().filename() == "blas.cpp"));
    }
  }
}
