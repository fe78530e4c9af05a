// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"

namespace tl::build {

// By its first bytes, the program that makes a tar archive of a file that may be one: "gzip", "bzip2", "xz",
// "zstd", or "cat"; empty when it is none. What is compressed may still be something else. The descriptor
// stays at its beginning.
Result<std::string> archive_filter(int fd);

}  // namespace tl::build
