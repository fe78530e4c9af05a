// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_request.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/sandbox/limits.hpp"

namespace tl {
namespace {

Result<guest::Detachment> detachment(const DetachOptions& options) {
  guest::Detachment detach;
  if (options.name) {
    if (auto valid = check_process_name(*options.name); !valid) return valid.error();
    detach.name = *options.name;
  }
  for (const auto& [what, pause] : {std::pair{"initial back-off", options.initial_backoff_ms},
                                    {"longest back-off", options.max_backoff_ms}}) {
    if (auto valid = check_backoff_ms(what, pause); !valid) return valid.error();
  }
  detach.restart = static_cast<guest::Detachment::Restart>(options.restart);  // in the same order
  detach.max_restarts = options.max_restarts;
  detach.initial_backoff = std::chrono::milliseconds(options.initial_backoff_ms);
  detach.max_backoff = std::chrono::milliseconds(options.max_backoff_ms);
  return detach;
}

// As the OCI image specification has it: the command is the entrypoint's arguments.
std::vector<std::string> command_of(const storage::ImageConfig& image) {
  std::vector<std::string> command = image.entrypoint;
  command.insert(command.end(), image.cmd.begin(), image.cmd.end());
  return command;
}

// Without a terminal it ends as soon as it starts.
bool is_mere_shell(const std::vector<std::string>& command) {
  constexpr std::array<std::string_view, 7> kShells = {"sh", "bash", "ash", "dash", "zsh", "fish", "busybox"};
  const std::string_view program = command.front();
  const std::string_view name = program.substr(program.rfind('/') + 1);
  return command.size() == 1 && std::find(kShells.begin(), kShells.end(), name) != kShells.end();
}

}  // namespace

Result<guest::ExecRequest> exec_request(const ExecOptions& options, const storage::ImageConfig& image) {
  guest::ExecRequest request;
  request.argv = options.command.empty() ? command_of(image) : options.command;
  if (request.argv.empty() || request.argv.front().empty()) {
    return Error{ErrorCode::kOutOfRange, "there is no command to run",
                 options.command.empty() ? "the image has none of its own: name one" : ""};
  }
  const bool silent = options.stdin_mode == StdinMode::kNone && options.terminal == TerminalUse::kNone;
  if (options.command.empty() && silent && is_mere_shell(request.argv)) {
    return Error{ErrorCode::kOutOfRange, "there is no command to run",
                 "name one; --tty gives you a terminal in the image's shell"};
  }
  for (const auto& variable : image.env) {
    auto parsed = parse_env(variable);
    if (!parsed) return parsed.error().within("environment of the image");
    request.environment.push_back(*std::move(parsed));
  }
  request.environment.insert(request.environment.end(), options.environment.begin(),
                             options.environment.end());
  request.working_directory = options.working_directory;
  if (options.working_directory.empty() && options.start_folder == StartFolder::kImages) {
    request.working_directory = image.working_dir;
  }
  request.user = options.user.empty() ? image.user : options.user;
  request.stdin_stream = options.stdin_mode == StdinMode::kForward;
  if (options.terminal == TerminalUse::kBothSides) request.stdin_stream = true;
  request.timeout = options.timeout;
  if (options.detach) {
    if (request.stdin_stream || request.timeout || options.terminal != TerminalUse::kNone) {
      return Error{ErrorCode::kOutOfRange, "a detached command has no stdin, no terminal and no timeout", ""};
    }
    auto detach = detachment(*options.detach);
    if (!detach) return detach.error();
    request.detach = *std::move(detach);
  }
  return request;
}

Result<std::optional<guest::ExecRequest>> entrypoint_request(const std::vector<std::string>& own,
                                                             const storage::ImageConfig& image) {
  ExecOptions options;
  options.command = own;
  if (own.empty()) {
    options.command = command_of(image);
    if (options.command.empty() || is_mere_shell(options.command)) return std::optional<guest::ExecRequest>();
  }
  options.detach.emplace();
  options.detach->name = "entrypoint";
  auto request = exec_request(options, image);
  if (!request) return request.error();
  return std::optional(*std::move(request));
}

Result<guest::ExecRequest> warm_up_request(const storage::ImageConfig& image) {
  ExecOptions options;
  options.command = {"sh", "-c", "/bin/true"};
  auto request = exec_request(options, image);
  if (request) request->listed = false;
  return request;
}

}  // namespace tl
