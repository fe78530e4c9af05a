// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

namespace tl::snapshot {

// Parses a manifest, or a part of one. Throws nlohmann::ordered_json::exception for what is no JSON, and for
// what is nested so deeply that writing it again would take the stack.
inline nlohmann::ordered_json parse_manifest_json(std::string_view text) {
  constexpr int kMaxDepth = 64;
  return nlohmann::ordered_json::parse(
      text, [](int depth, nlohmann::ordered_json::parse_event_t, const nlohmann::ordered_json& value) {
        if (depth > kMaxDepth)
          throw nlohmann::ordered_json::other_error::create(501, "nested too deeply", &value);
        return true;
      });
}

}  // namespace tl::snapshot
