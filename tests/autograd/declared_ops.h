// The names of all ops, from the header that declares them.
#pragma once

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace tapegrad::test {

/// The names of all differentiable functions in ops.h, operators apart.
inline std::set<std::string> declared_ops() {
  std::ifstream header(TAPEGRAD_SOURCE_DIR "/autograd/ops.h");
  std::stringstream text;
  text << header.rdbuf();
  const std::string all = text.str();
  const std::regex declaration(R"(\nVar<T>\s+(\w+)\()");
  std::set<std::string> names;
  for (std::sregex_iterator it(all.begin(), all.end(), declaration), end; it != end; ++it) {
    names.insert((*it)[1]);
  }
  names.erase("operator");
  return names;
}

}  // namespace tapegrad::test
