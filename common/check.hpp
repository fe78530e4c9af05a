// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl {

// Prints the broken promise to stderr and aborts. Never returns.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace tl

// A mistake of ours, not of the user, the host or the guest: stays on in release builds.
#define TL_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::tl::check_failed(#expression, __FILE__, __LINE__))
