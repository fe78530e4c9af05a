// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/oom_watch.hpp"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace tl::guest {
namespace {

constexpr std::size_t kMaxRecord = 8192;  // CONSOLE_EXT_LOG_MAX
constexpr std::size_t kVictims = 64;
constexpr unsigned kFacilityShift = 3;

}  // namespace

OomWatch OomWatch::from_now() {
  UniqueFd log(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (log) ::lseek(log.get(), 0, SEEK_END);
  return OomWatch(std::move(log));
}

bool OomWatch::killed(pid_t pid) {
  std::array<char, kMaxRecord> record;
  while (records_) {
    const ssize_t n = ::read(records_.get(), record.data(), record.size());
    if (n < 0 && (errno == EPIPE || errno == EINTR)) continue;  // records were overwritten before we came
    if (n <= 0) break;
    note({record.data(), static_cast<std::size_t>(n)});
  }
  return std::ranges::find(victims_, pid) != victims_.end();
}

// "3,1234,567890,-;Out of memory: Killed process 412 (python3) total-vm:…": priority and facility first.
void OomWatch::note(std::string_view record) {
  unsigned priority = 0;
  const char* end = record.data() + record.size();
  if (std::from_chars(record.data(), end, priority).ec != std::errc() || priority >> kFacilityShift != 0)
    return;
  record = record.substr(0, record.find('\n'));  // what follows are its key-value pairs
  const std::size_t text = record.find(';');
  if (text == std::string_view::npos) return;
  record.remove_prefix(text + 1);
  constexpr std::string_view kWords = "Killed process ";
  const std::size_t words = record.find(kWords);
  const bool for_memory =
      record.starts_with("Out of memory") || record.starts_with("Memory cgroup out of memory");
  if (words == std::string_view::npos || !for_memory) return;
  pid_t pid = 0;
  const auto number = record.substr(words + kWords.size());
  if (std::from_chars(number.data(), end, pid).ec != std::errc()) return;
  victims_.push_back(pid);
  if (victims_.size() > kVictims) victims_.pop_front();
}

}  // namespace tl::guest
