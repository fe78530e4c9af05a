// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/exit.hpp"

#include <csignal>
#include <string_view>

#include "common/printable.hpp"

namespace tl::machine {
namespace {

using Cause = MachineExit::Cause;

constexpr std::size_t kQuotedBytes = 400;

// The last line that says something: QEMU names the trouble there, after its warnings.
std::string last_line(std::string_view text) {
  while (!text.empty()) {
    const std::size_t begin = text.find_last_of('\n');
    const std::string_view line = begin == std::string_view::npos ? text : text.substr(begin + 1);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) return make_printable(line, kQuotedBytes);
    text = begin == std::string_view::npos ? std::string_view() : text.substr(0, begin);
  }
  return "";
}

std::string with_quote(std::string sentence, const QemuEnd& end) {
  const std::string quote = last_line(end.stderr_text);
  return quote.empty() ? sentence : sentence + ": " + quote;
}

}  // namespace

MachineExit explain(const QemuEnd& end) {
  // The guest's own words come first: after them the process may end by our hand, or by a reset that only
  // follows.
  if (end.console && end.console->cause == Cause::kPanic) {
    return {Cause::kPanic, "the guest kernel panicked: " + end.console->line};
  }
  if (end.console) return {Cause::kPowerOff, "the guest switched itself off"};
  if (end.kill_requested && end.status.signal == SIGKILL) return {Cause::kKilled, "the machine was killed"};
  if (end.status.signal != 0) return {Cause::kBroken, with_quote("QEMU " + end.status.describe(), end)};
  if (end.status.code != 0) return {Cause::kBroken, with_quote("QEMU " + end.status.describe(), end)};
  if (end.shutdown_reason == "guest-reset") return {Cause::kReset, "the guest rebooted"};
  if (end.shutdown_reason == "guest-shutdown") return {Cause::kPowerOff, "the guest switched itself off"};
  if (end.shutdown_reason == "guest-panic") return {Cause::kPanic, "the guest kernel panicked"};
  if (!end.shutdown_reason.empty()) {
    return {Cause::kBroken,
            with_quote("QEMU was ended from outside (" + make_printable(end.shutdown_reason, 40) + ")", end)};
  }
  if (!end.control_failure.empty()) return {Cause::kBroken, with_quote(end.control_failure, end)};
  return {Cause::kBroken, with_quote("QEMU ended without saying why", end)};
}

}  // namespace tl::machine
