// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tl::guest {

// A command that goes on without its caller, and may be started again when it has ended.
struct Detachment {
  enum class Restart { kNever, kOnFailure, kAlways };
  std::string name;  // is_process_name(), unique among those that have not ended; empty: none
  Restart restart = Restart::kNever;
  std::optional<std::uint32_t> max_restarts;  // by the agent itself; none: no bound
  // The pause before the first restart, which doubles with each up to the second number.
  std::chrono::milliseconds initial_backoff{1000}, max_backoff{60'000};
};
inline constexpr std::chrono::milliseconds kMaxBackoff{24 * 3600 * 1000};
inline constexpr std::size_t kMaxProcessName = 63;
// A letter, then letters, digits, '.', '_' and '-', at most kMaxProcessName in all.
bool is_process_name(std::string_view text);

}  // namespace tl::guest
