// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/console_monitor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/io.hpp"
#include "common/printable.hpp"

namespace tl::machine {
namespace {

constexpr std::size_t kQuotedBytes = 240;

// "[    1.234567] text" → "text", as the kernel writes with printk.time=1. What a program has written without
// a line end stands before it.
std::string_view without_time_stamp(std::string_view line) {
  const std::size_t end = line.rfind("] ");
  if (end == std::string_view::npos) return line;
  const std::size_t begin = line.rfind('[', end);
  if (begin == std::string_view::npos) return line;
  const std::string_view stamp = line.substr(begin + 1, end - begin - 1);
  constexpr std::size_t kFraction = 7;  // ".234567"
  const bool is_stamp = stamp.size() > kFraction && stamp[stamp.size() - kFraction] == '.' &&
                        stamp.find_first_not_of(" .0123456789") == std::string_view::npos;
  return is_stamp ? line.substr(end + 2) : line;
}

}  // namespace

std::optional<ConsoleMonitor::Event> interpret_console_line(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  line = without_time_stamp(line);
  // Without a firmware to switch off with, the kernel halts after the last of these.
  for (const std::string_view text : {"reboot: Power off not available: System halted instead",
                                      "reboot: System halted", "reboot: Power down"}) {
    if (line == text) return ConsoleMonitor::Event{MachineExit::Cause::kPowerOff, std::string(text)};
  }
  if (line.starts_with("Kernel panic - not syncing:")) {
    return ConsoleMonitor::Event{MachineExit::Cause::kPanic, make_printable(line, kQuotedBytes)};
  }
  return std::nullopt;
}

Result<ConsoleMonitor> ConsoleMonitor::open(UniqueFd folder, const std::string& name) {
  auto log = open_at(folder.get(), name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
  if (!log) return log.error();
  struct stat status = {};
  if (::fstat(log->get(), &status) != 0) return errno_error("open " + name);
  ConsoleMonitor monitor(std::move(folder), name);
  monitor.log_ = std::move(*log);
  monitor.log_bytes_ = static_cast<std::uint64_t>(status.st_size);
  return monitor;
}

std::optional<ConsoleMonitor::Event> ConsoleMonitor::consume(std::string_view bytes) {
  append_log(bytes);
  if (tail_.size() + bytes.size() > 2 * kTailBytes) {
    if (bytes.size() >= kTailBytes) {
      tail_ = bytes.substr(bytes.size() - kTailBytes);
    } else {
      tail_.erase(0, tail_.size() + bytes.size() - std::min(tail_.size() + bytes.size(), kTailBytes));
      tail_ += bytes;
    }
  } else {
    tail_ += bytes;
  }

  std::optional<Event> event;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    line_ += part.substr(0, kLineBytes - std::min(kLineBytes, line_.size()));
    if (end == std::string_view::npos) break;
    if (!event) event = interpret_console_line(line_);
    line_.clear();
    bytes.remove_prefix(end + 1);
  }
  return event;
}

std::string_view ConsoleMonitor::tail() const {
  std::string_view view = tail_;
  if (view.size() <= kTailBytes) return view;
  view.remove_prefix(view.size() - kTailBytes);
  const std::size_t end = view.find('\n');
  if (end != std::string_view::npos && end + 1 < view.size()) view.remove_prefix(end + 1);
  return view;
}

void ConsoleMonitor::append_log(std::string_view bytes) {
  while (!bytes.empty()) {
    if (log_bytes_ >= kLogBytes) rotate();
    if (!log_) return;
    const std::string_view part = bytes.substr(0, kLogBytes - log_bytes_);
    // Counted whether or not it was written: a full disk must not let the file grow beyond its bound later.
    [[maybe_unused]] const auto ignored = write_all(log_.get(), part);
    log_bytes_ += part.size();
    bytes.remove_prefix(part.size());
  }
}

void ConsoleMonitor::rotate() {
  log_.reset();
  log_bytes_ = 0;
  if (!dir_) return;
  ::renameat(dir_.get(), name_.c_str(), dir_.get(), (name_ + ".1").c_str());
  auto log = open_at(dir_.get(), name_, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
  if (log) log_ = std::move(*log);
}

}  // namespace tl::machine
