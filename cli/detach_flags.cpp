// SPDX-License-Identifier: Apache-2.0
#include "cli/detach_flags.hpp"

#include <utility>

#include "cli/values.hpp"

namespace tl::cli {
namespace {

Setter beside_detach(DetachFlags& flags, Setter set) {
  return [&flags, set = std::move(set)](const std::string& value) {
    flags.others = true;
    return set(value);
  };
}

}  // namespace

void add_detach_flags(Command& command, DetachFlags& flags) {
  DetachOptions& options = flags.options;
  command.flags.push_back({.names = {"--detach"},
                           .value = "",
                           .help = "leave the command running, print its PID and return",
                           .set = choose(flags.wanted, DetachFlags::Wanted::kYes)});
  command.flags.push_back({.names = {"--name"},
                           .value = "NAME",
                           .help = "with --detach: a name, unique among the processes that run",
                           .set = beside_detach(flags, store(options.name))});
  command.flags.push_back(
      {.names = {"--restart"},
       .value = "never|on-failure|always",
       .help = "with --detach: when to start the command again after it has ended (default never)",
       .set = beside_detach(flags, choose_word(options.restart, {{"never", RestartPolicy::kNever},
                                                                 {"on-failure", RestartPolicy::kOnFailure},
                                                                 {"always", RestartPolicy::kAlways}}))});
  command.flags.push_back({.names = {"--max-restarts"},
                           .value = "K",
                           .help = "with --restart: give up after K restarts (default: never)",
                           .set = beside_detach(flags, store_whole(options.max_restarts))});
  command.flags.push_back(
      {.names = {"--initial-backoff-ms"},
       .value = "MS",
       .help =
           "with --restart: wait MS milliseconds before the first restart, twice as long before each next "
           "(default 1000)",
       .set = beside_detach(flags, store_whole(options.initial_backoff_ms))});
  command.flags.push_back({.names = {"--max-backoff-ms"},
                           .value = "MS",
                           .help = "with --restart: never wait longer (default 60000)",
                           .set = beside_detach(flags, store_whole(options.max_backoff_ms))});
}

Result<void> settle_detachment(const DetachFlags& flags, ExecOptions& options) {
  const auto wrong = [](const char* what, const char* cure) {
    return Error{ErrorCode::kOutOfRange, what, cure};
  };
  if (flags.wanted == DetachFlags::Wanted::kNo) {
    if (!flags.others) return {};
    return wrong("--name, --restart and what belongs to them need --detach", "add --detach");
  }
  if (options.timeout) {
    return wrong("--timeout cannot be used with --detach", "'timeout SECS COMMAND' inside does the same");
  }
  if (options.stdin_mode != StdinMode::kNone || options.terminal != TerminalUse::kNone) {
    return wrong("--interactive and --tty cannot be used with --detach: the command is left alone",
                 "'tl sbx ssh' leaves a session that can be attached to");
  }
  options.detach = flags.options;
  return {};
}

}  // namespace tl::cli
