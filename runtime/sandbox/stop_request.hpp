// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

namespace tl {

// Whether a signal waits on what a caller has given as CreateRequest::signals. It stays there.
inline bool is_asked_to_stop(int signals) {
  pollfd look{signals, POLLIN, 0};
  return signals >= 0 && ::poll(&look, 1, 0) > 0;
}

}  // namespace tl
