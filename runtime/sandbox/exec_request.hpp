// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "runtime/sandbox/spec.hpp"
#include "runtime/storage/image_manifest.hpp"

namespace tl {

// What the caller asked for on top of what the sandbox's image says: command, environment, working directory,
// user.
Result<guest::ExecRequest> exec_request(const ExecOptions& options, const storage::ImageConfig& image);

// What a sandbox begins with, as a detached process called "entrypoint": `own`, else what the image says;
// nullopt where that is nothing or a mere shell.
Result<std::optional<guest::ExecRequest>> entrypoint_request(const std::vector<std::string>& own,
                                                             const storage::ImageConfig& image);

// The command that a guest runs before it is kept as a template, as whom and where every command of its image
// runs by default: then users and folders, a shell, the dynamic linker and the C library are in its memory.
// An image without them stays cold.
Result<guest::ExecRequest> warm_up_request(const storage::ImageConfig& image);

}  // namespace tl
