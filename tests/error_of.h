// What a call complains of.
#pragma once

#include <string>

namespace tapegrad::test {

/// What f() says when it throws an E; "nothing thrown" when it does not.
template <class E, class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace tapegrad::test
