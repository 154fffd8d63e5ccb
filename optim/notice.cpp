#include "optim/notice.h"

#include <cstdio>

namespace tapegrad::optim {

void notice(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace tapegrad::optim
