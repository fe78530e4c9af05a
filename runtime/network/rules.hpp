// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::network {

// Whom a guest may speak to. A target is an address, a prefix ("192.0.2.0/24", "2001:db8::/32") or a host
// name. Deny wins; where anything is allowed by name or address, everything else is not.
struct Rules {
  bool no_internet = false;  // nobody, the resolver included
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  bool operator==(const Rules&) const = default;
};

// One message between a monitor and its network process: lines of "none", "allow TARGET", "deny TARGET".
std::string to_text(const Rules& rules);
Result<Rules> rules_from_text(std::string_view text);

}  // namespace tl::network
