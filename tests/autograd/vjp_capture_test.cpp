// A vjp that captures by reference would pass the static_assert on its captures and read dead
// stack memory in backward. The sources are searched for one.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/catch.h"

namespace {

struct Found {
  int lambdas = 0;
  std::vector<std::string> wrong;  // what stands where a capture by value should
};

/// Looks at every argument of vjp() in the text.
void search(const std::string& text, Found& found) {
  static const std::regex call(R"(\.\s*vjp\s*\(\s*(\[[^\]]*\]|[^\s\[]))");
  static const std::regex by_value(
      R"(\[(=|\s*[\w:]+(\s*=[^&\]]*)?\s*)(,\s*[\w:]+(\s*=[^&\]]*)?\s*)*\])");
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
    const std::string captures = (*it)[1];
    ++found.lambdas;
    if (captures != "[]" && !std::regex_match(captures, by_value)) found.wrong.push_back(captures);
  }
}

Found search_text(const std::string& text) {
  Found found;
  search(text, found);
  return found;
}

}  // namespace

TEST_CASE("vjp captures: no lambda in autograd or nn captures by reference") {
  Found found;
  for (const char* folder : {"autograd", "nn"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(TAPEGRAD_SOURCE_DIR) / folder)) {
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const auto before = found.wrong.size();
      search(text.str(), found);
      INFO(entry.path());
      CHECK(found.wrong.size() == before);
    }
  }
  CHECK(found.lambdas >= 15);
  CHECK(found.wrong == std::vector<std::string>{});
}

TEST_CASE("vjp captures: a capture by reference is found, one by value is not") {
  for (const char* bad :
       {"y.vjp([&](View<const T> dy) {", "y.vjp([&x](auto dy) {", "y.vjp([=, &x](auto dy) {",
        "y.vjp([x, &w](auto dy) {", "y\n    .vjp(\n        [&](View<const T> dy) {", "y.vjp(f)",
        "y.vjp([this, &x](auto dy) {", "y.vjp([ & ](auto dy) {"}) {
    INFO(bad);
    CHECK(search_text(bad).wrong.size() == 1);
  }
  for (const char* good : {"y.vjp([=](View<const T> dy) {", "y.vjp([x, w](auto dy) {",
                           "y.vjp([](auto) {", "y.vjp([x, k = k * 2](auto dy) {"}) {
    INFO(good);
    CHECK(search_text(good).lambdas == 1);
    CHECK(search_text(good).wrong.empty());
  }
}
