// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

// What sandboxes and snapshots are called. No string is both an ID and a name, so either can stand wherever
// one is meant, and both are safe as one component of a path.
namespace tl {

inline constexpr std::size_t kIdLength = 21;
inline constexpr std::size_t kMaxNameLength = 63;

// kIdLength characters of [0-9a-z].
bool is_id(std::string_view text);

// Starts with a lowercase letter, only [a-z0-9-], no final hyphen, at most kMaxNameLength, not the shape of
// an ID.
bool is_name(std::string_view text);

}  // namespace tl
