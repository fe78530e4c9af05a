// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tl::registry {

// Version of what stands in the state folder, written "major.minor" into every document. A higher minor
// version only adds fields, which older programs keep as they find them; a higher major version is refused.
struct SchemaVersion {
  unsigned major_version = 1;
  unsigned minor_version = 0;

  static std::optional<SchemaVersion> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  bool operator==(const SchemaVersion&) const = default;
};

inline constexpr SchemaVersion kSchema{1, 0};  // what this program writes

}  // namespace tl::registry
