// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// What a sandbox is called. No string is both an ID and a name, so either can stand wherever a sandbox is
// meant, and both are safe as one component of a path.
namespace tl::registry {

inline constexpr std::size_t kIdLength = 21;
inline constexpr std::size_t kMaxNameLength = 63;

// 21 random characters of [0-9a-z].
std::string new_sandbox_id();

bool is_sandbox_id(std::string_view text);

// Starts with a lowercase letter, only [a-z0-9-], no final hyphen, at most 63, and not the shape of an ID.
bool is_sandbox_name(std::string_view text);

}  // namespace tl::registry
