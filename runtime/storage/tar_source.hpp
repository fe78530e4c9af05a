// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "common/result.hpp"

namespace tl::storage {

// Where an archive comes from: fills some of the span and says how much; 0 is the end. An error ends the
// reading and is what the reader reports, so a source may also be the place that notices a wish to cancel.
using ByteSource = std::function<Result<std::size_t>(std::span<std::byte>)>;

// Reads `fd`, which must stay open as long as the source is used.
ByteSource source_of_fd(int fd);

}  // namespace tl::storage
