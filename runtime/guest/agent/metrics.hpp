// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// Of this moment. What cannot be read is 0. `processes` includes the kernel's own threads.
Metrics read_metrics();

}  // namespace tl::guest
