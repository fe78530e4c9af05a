// SPDX-License-Identifier: Apache-2.0
#include "common/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace tl {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "tl: internal error: %s:%d: %s\n", file, line, expression);
  std::abort();
}

}  // namespace tl
