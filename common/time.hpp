// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace tl {

// RFC 3339 in UTC with milliseconds: "2026-11-23T17:20:32.123Z". Years 1970 to 2261.
std::string format_utc(std::chrono::system_clock::time_point time);

// The reverse; only the form above is accepted, with numbers that a calendar has.
Result<std::chrono::system_clock::time_point> parse_utc(std::string_view text);

}  // namespace tl
