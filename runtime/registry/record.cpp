// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/record.hpp"

namespace tl::registry {

Time now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace tl::registry
