// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"

namespace tl::storage::nbd {

// The server's side of fixed newstyle negotiation for one export, which has the empty (default) name. True
// when the client goes on to transmission, false when it leaves; an error when it does not follow the
// protocol or the connection breaks.
Result<bool> negotiate(int socket, std::uint64_t export_bytes);

}  // namespace tl::storage::nbd
