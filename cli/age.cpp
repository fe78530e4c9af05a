// SPDX-License-Identifier: Apache-2.0
#include "cli/age.hpp"

#include <array>
#include <ctime>

#include <fmt/format.h>

namespace tl::cli {

std::string age(std::chrono::system_clock::time_point then, std::chrono::system_clock::time_point now) {
  using namespace std::chrono_literals;
  constexpr auto kLongestAge = 5 * 24h;
  const auto passed = now - then;
  if (passed < 0s || passed > kLongestAge) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(then);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
                       local.tm_hour, local.tm_min);
  }
  if (passed < 1min) return fmt::format("{} sec ago", passed / 1s);
  if (passed < 1h) return fmt::format("{} min ago", passed / 1min);
  if (passed < 24h) return fmt::format("{} hr ago", passed / 1h);
  const auto days = passed / 24h;
  return fmt::format("{} day{} ago", days, days == 1 ? "" : "s");
}

std::string duration(std::chrono::seconds time) {
  const auto total = time.count();
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {} s", total / 60, total % 60);
  return fmt::format("{} h {} min", total / 3600, total / 60 % 60);
}

std::string size(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1023.95 &&
         unit + 1 < kUnits.size()) {  // what would round to "1024.0" is one of the next unit
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

}  // namespace tl::cli
