// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/identifier.hpp"

#include "common/random.hpp"

namespace tl::registry {

std::string new_sandbox_id() {
  return random_base36(kIdLength);
}

bool is_sandbox_id(std::string_view text) {
  return is_id(text);
}

bool is_sandbox_name(std::string_view text) {
  return is_name(text);
}

}  // namespace tl::registry
