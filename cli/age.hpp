// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tl::cli {

// "12 sec ago", "5 min ago", "3 hr ago", "1 day ago"; a date and time in the local zone, "2026-11-18 09:30",
// for what is more than five days old or not yet.
std::string age(std::chrono::system_clock::time_point then, std::chrono::system_clock::time_point now);

// "45 s", "5 min 10 s", "2 h 5 min"; nothing finer than a second.
std::string duration(std::chrono::seconds time);

// "512 B", "1.5 KiB", "10.0 GiB"
std::string size(std::uint64_t bytes);

}  // namespace tl::cli
