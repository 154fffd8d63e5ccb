// Text for whoever watches a program.
#pragma once

#include <string_view>

namespace tapegrad::optim {

/// Prints text on stderr. What cannot be written there is lost: a log on a full disk or a terminal
/// that was closed must not end the training that the text is about.
void notice(std::string_view text);

}  // namespace tapegrad::optim
