// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine {

// Reads along on a guest's serial console: keeps a bounded log of it and recognises the lines by which a
// kernel without firmware tells its end. The bytes are the guest's and may be anything; whatever they are,
// memory and disk stay bounded. A log that cannot be written (disk full) stops growing and harms nothing.
//
// Belongs to the owner of the machine, who may ask it after the machine's end, and is fed by the machine. One
// thread.
class ConsoleMonitor {
 public:
  static constexpr std::uint64_t kLogBytes = 1 << 20;  // a file; one older one is kept as <name>.1
  static constexpr std::size_t kTailBytes = 64 << 10;
  static constexpr std::size_t kLineBytes = 512;  // of a longer line only the beginning is looked at

  // What a line on the console said about the machine.
  struct Event {
    MachineExit::Cause cause;  // kPowerOff or kPanic
    std::string line;          // printable, without time stamp
  };

  // The log is `name` in the folder, continued when it exists; mode 0600.
  static Result<ConsoleMonitor> open(UniqueFd folder, const std::string& name);
  // Without a log.
  ConsoleMonitor() = default;

  // Takes what came from the guest. Returns the first line of `bytes` that tells of the guest's end.
  std::optional<Event> consume(std::string_view bytes);

  // The newest output, at most kTailBytes, beginning at a line where that is possible. As the guest sent it:
  // not printable.
  [[nodiscard]] std::string_view tail() const;

 private:
  ConsoleMonitor(UniqueFd dir, std::string name) : dir_(std::move(dir)), name_(std::move(name)) {}
  void append_log(std::string_view bytes);
  void rotate();

  UniqueFd dir_;
  std::string name_;
  UniqueFd log_;
  std::uint64_t log_bytes_ = 0;
  std::string tail_;  // up to 2 × kTailBytes, so that it is moved seldom
  std::string line_;  // the current line's beginning, at most kLineBytes
};

// What a kernel's console line says about the end of the machine; nullopt for every other line. With or
// without a time stamp ("[    1.234567] ").
std::optional<ConsoleMonitor::Event> interpret_console_line(std::string_view line);

}  // namespace tl::machine
