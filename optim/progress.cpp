#include "optim/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "optim/notice.h"

namespace tapegrad::optim {

Progress::Progress(Index total, bool enabled, Index already_done)
    : total_(total),
      already_done_(already_done),
      enabled_(enabled && ::isatty(STDERR_FILENO) == 1) {}

void Progress::update(Index done, std::string_view note) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done - already_done_) / seconds : 0;
  const auto left = rate > 0 ? static_cast<Index>(static_cast<double>(total_ - done) / rate) : 0;
  const double percent = 100.0 * static_cast<double>(done) / static_cast<double>(total_);
  notice(fmt::format("\r\x1b[K{}/{} steps {:3.0f} %  {:.0f} steps/s  {}:{:02} left  {}", done,
                     total_, percent, rate, left / 60, left % 60, note));
  drawn_ = true;
}

void Progress::clear() {
  if (!drawn_) return;
  notice("\r\x1b[K");
  drawn_ = false;
}

void SharedProgress::step() {
  constexpr Index rarely = 50;  // looking at the clock at every step would cost more than it tells
  const Index done = ++done_;
  if (done % rarely != 0) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock) progress_.update(done);
}

}  // namespace tapegrad::optim
