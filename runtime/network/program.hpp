// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::network {

// The program tl-net, which is part of this one, as a file that can be executed. Close-on-exec.
Result<UniqueFd> program_file();

}  // namespace tl::network
