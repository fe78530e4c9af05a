// SPDX-License-Identifier: Apache-2.0
#include "cli/moved_bytes.hpp"

#include <chrono>

#include <fmt/format.h>

#include "cli/age.hpp"

namespace tl::cli {
namespace {

constexpr std::chrono::milliseconds kUntilTold{200};

}  // namespace

std::function<void(std::uint64_t)> show_moved(ProgressLine& line) {
  using Clock = std::chrono::steady_clock;
  return [&line, began = Clock::time_point(), told = Clock::time_point()](std::uint64_t bytes) mutable {
    const auto now = Clock::now();
    // What is told first has been moved since some moment before.
    if (began == Clock::time_point()) began = now - kUntilTold;
    if (now - told < kUntilTold) return;
    told = now;
    const double rate = static_cast<double>(bytes) / std::chrono::duration<double>(now - began).count();
    line.show(fmt::format("{}, {}/s", size(bytes), size(static_cast<std::uint64_t>(rate))));
  };
}

}  // namespace tl::cli
