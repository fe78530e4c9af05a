// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/rules.hpp"

namespace tl::network {
namespace {

constexpr std::string_view kNone = "none";
constexpr std::string_view kAllow = "allow ";
constexpr std::string_view kDeny = "deny ";

}  // namespace

std::string to_text(const Rules& rules) {
  std::string text;
  if (rules.no_internet) text.append(kNone).append("\n");
  for (const auto& target : rules.allow) text.append(kAllow).append(target).append("\n");
  for (const auto& target : rules.deny) text.append(kDeny).append(target).append("\n");
  return text;
}

Result<Rules> rules_from_text(std::string_view text) {
  Rules rules;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line == kNone) {
      rules.no_internet = true;
    } else if (line.starts_with(kAllow)) {
      rules.allow.emplace_back(line.substr(kAllow.size()));
    } else if (line.starts_with(kDeny)) {
      rules.deny.emplace_back(line.substr(kDeny.size()));
    } else {
      return Error{ErrorCode::kFailure, "\"" + std::string(line) + "\" is no rule of a network", ""};
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return rules;
}

}  // namespace tl::network
