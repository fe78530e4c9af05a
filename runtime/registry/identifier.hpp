// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/identifier.hpp"

// What a sandbox is called.
namespace tl::registry {

using tl::kIdLength;
using tl::kMaxNameLength;

// 21 random characters of [0-9a-z].
std::string new_sandbox_id();

bool is_sandbox_id(std::string_view text);

bool is_sandbox_name(std::string_view text);

}  // namespace tl::registry
