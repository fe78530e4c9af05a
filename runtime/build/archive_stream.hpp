// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "common/result.hpp"
#include "runtime/build/context_archive.hpp"

namespace tl::build {

// Lets `give` write to a pipe, in a thread of its own, while `take` reads from it in this one. Returns when
// both have ended; whichever ends first ends the other. The error is that of the cause.
Result<Archived> stream_archive(const std::function<Result<Archived>(int fd)>& give,
                                const std::function<Result<std::string>(int fd)>& take);

}  // namespace tl::build
