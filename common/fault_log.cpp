// SPDX-License-Identifier: Apache-2.0
#include "common/fault_log.hpp"

#include "common/printable.hpp"

namespace tl {
namespace {

constexpr std::size_t kSentenceBytes = 300;

}  // namespace

void FaultLog::note(std::string_view what) {
  const std::uint64_t count = ++count_;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kQuiet;
  const std::string sentence = make_printable(what, kSentenceBytes);
  if (count - logged_count_ <= 1) {
    log_.info("{}: {}", who_, sentence);
  } else {
    log_.info("{}: {} ({} faults since the last line)", who_, sentence, count - logged_count_);
  }
  logged_count_ = count;
}

}  // namespace tl
