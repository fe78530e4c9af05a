// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/guest.hpp"

#include <charconv>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/build/guest_scripts.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 1000;  // of a guest's own words
constexpr const char* kRoot = "0:0";

bool is_user_text(std::string_view text) {
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '-' && c != '.' && c != '$') return false;
  }
  return text.size() <= 256;
}

Error unclear(std::string_view said) {
  return Error{ErrorCode::kFailure,
               "the sandbox's answer makes no sense: " + make_printable(said, kShownBytes), ""};
}

std::string without_newline(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

std::string Owner::text() const {
  return fmt::format("{}:{}", uid, gid);
}

Result<ExecOutcome> Guest::exec(const ExecOptions& options) {
  if (auto on = watch_->go_on(); !on) return on.error();
  auto outcome = runtime_->exec(sandbox_, options);
  // What a signal made of it is not what is wrong.
  if (auto on = watch_->go_on(); !on) return on.error();
  return outcome;
}

Result<void> Guest::run(const Command& command) {
  ExecOptions options;
  options.command = command.words;
  options.environment = command.environment;
  options.working_directory = command.working_directory;
  options.user = command.user;
  options.signals = watch_->signals;
  options.signal_use = SignalUse::kHangUp;
  options.channels.out = watch_->output;
  options.channels.err = watch_->output;
  const auto outcome = exec(options);
  if (!outcome) return outcome.error();
  if (outcome->exit_code == 0) return {};
  if (!outcome->failure.empty()) return Error{ErrorCode::kFailure, outcome->failure, ""};
  return Error{ErrorCode::kFailure, fmt::format("exit code {}", outcome->exit_code), ""};
}

Result<std::string> Guest::script(const Script& script) {
  std::string out, err;
  ExecOptions options;
  options.command = {"/bin/sh", "-c", script.text, "tl-build"};
  options.command.insert(options.command.end(), script.arguments.begin(), script.arguments.end());
  options.environment = {{"PATH", kDefaultPath}, {"LC_ALL", "C"}};
  options.working_directory = "/";
  options.user = kRoot;
  options.signals = watch_->signals;
  options.signal_use = SignalUse::kHangUp;
  if (script.in >= 0) {
    options.stdin_mode = StdinMode::kForward;
    options.channels.in = script.in;
  }
  options.channels.out = script.out;
  if (script.out < 0) options.channels.out_text = &out;
  options.channels.err_text = &err;
  const auto outcome = exec(options);
  if (!outcome) return outcome.error();
  if (outcome->exit_code == 0) return without_newline(std::move(out));
  const std::string said = outcome->failure.empty() ? without_newline(std::move(err)) : outcome->failure;
  Error error{ErrorCode::kFailure, make_printable(said, kShownBytes), ""};
  if (said.empty()) error.message = fmt::format("exit code {}", outcome->exit_code);
  if (outcome->exit_code == kNoArchive) error.code = ErrorCode::kOutOfRange;
  if (outcome->exit_code == kNoSuchFile) error.code = ErrorCode::kNotFound;
  return error;
}

Result<Guest::Kind> Guest::look(const std::string& path) {
  const auto said = script({kLookScript, {path}});
  if (!said) return said.error();
  if (*said == "folder") return Kind::kFolder;
  if (*said == "other") return Kind::kOther;
  if (*said == "nothing") return Kind::kNothing;
  return unclear(*said);
}

Result<Owner> Guest::resolve(const std::string& who) {
  const std::size_t colon = who.find(':');
  const std::string user = who.substr(0, colon);
  const std::string group = colon == std::string::npos ? "" : who.substr(colon + 1);
  if (user.empty() || (colon != std::string::npos && group.empty()) || !is_user_text(user) ||
      !is_user_text(group))
    return Error{ErrorCode::kOutOfRange,
                 "an owner is USER or USER:GROUP, not " + make_printable(who, kShownBytes), ""};
  const auto said = script({kOwnerScript, {user, group}});
  if (!said) return said.error();
  Owner owner;
  const char* const end = said->data() + said->size();
  auto read = std::from_chars(said->data(), end, owner.uid);
  if (read.ec != std::errc() || read.ptr == end || *read.ptr != ' ') return unclear(*said);
  read = std::from_chars(read.ptr + 1, end, owner.gid);
  if (read.ec != std::errc() || read.ptr != end) return unclear(*said);
  return owner;
}

Result<void> Guest::make_folder(const std::string& path, const Owner& owner) {
  const auto made = script({kFolderScript, {owner.text(), path}});
  if (!made) return made.error();
  return {};
}

}  // namespace tl::build
