// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/schema.hpp"

#include <charconv>

#include <fmt/format.h>

namespace tl::registry {

std::optional<SchemaVersion> SchemaVersion::parse(std::string_view text) {
  SchemaVersion version;
  const char* const end = text.data() + text.size();
  const auto major_end = std::from_chars(text.data(), end, version.major_version);
  if (major_end.ec != std::errc() || major_end.ptr == end || *major_end.ptr != '.') return std::nullopt;
  const auto minor_end = std::from_chars(major_end.ptr + 1, end, version.minor_version);
  if (minor_end.ec != std::errc() || minor_end.ptr != end) return std::nullopt;
  return version;
}

std::string SchemaVersion::text() const {
  return fmt::format("{}.{}", major_version, minor_version);
}

}  // namespace tl::registry
