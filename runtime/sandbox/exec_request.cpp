// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_request.hpp"

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

}  // namespace

Result<guest::ExecRequest> exec_request(const ExecOptions& options, const storage::ImageStore& images,
                                        const std::string& image_digest) {
  if (options.command.empty() || options.command.front().empty()) {
    return Error{ErrorCode::kOutOfRange, "there is no command to run", ""};
  }
  const auto image = images.find_digest(image_digest);
  if (!image) return image.error();
  guest::ExecRequest request;
  request.argv = options.command;
  for (const auto& variable : image->manifest.config.env) {
    auto parsed = parse_env(variable);
    if (!parsed) return parsed.error().within("environment of the image");
    request.environment.push_back(*std::move(parsed));
  }
  request.environment.insert(request.environment.end(), options.environment.begin(),
                             options.environment.end());
  request.working_directory = options.working_directory;
  if (options.working_directory.empty() && options.start_folder == StartFolder::kImages) {
    request.working_directory = image->manifest.config.working_dir;
  }
  request.user = options.user.empty() ? image->manifest.config.user : options.user;
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

}  // namespace tl
