// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "runtime/sandbox/spec.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {

// What the caller asked for on top of what the sandbox's image says: environment, working directory, user.
Result<guest::ExecRequest> exec_request(const ExecOptions& options, const storage::ImageStore& images,
                                        const std::string& image_digest);

}  // namespace tl
