// SPDX-License-Identifier: Apache-2.0
#include "common/time.hpp"

#include <charconv>
#include <ctime>

#include <fmt/format.h>

namespace tl {
namespace {

constexpr int kLastYear = 2261;  // nanoseconds in 64 bits, the system clock's, end in April 2262
constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd.dddZ";

bool has_shape(std::string_view text) {
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == 'd' ? !digit : text[i] != kShape[i]) return false;
  }
  return true;
}

int number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string format_utc(std::chrono::system_clock::time_point time) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds % 1000);
}

Result<std::chrono::system_clock::time_point> parse_utc(std::string_view text) {
  if (!has_shape(text)) {
    return Error{ErrorCode::kOutOfRange, fmt::format("\"{}\" is not a time", text), ""};
  }
  std::tm parts{};
  parts.tm_year = number(text.substr(0, 4)) - 1900;
  parts.tm_mon = number(text.substr(5, 2)) - 1;
  parts.tm_mday = number(text.substr(8, 2));
  parts.tm_hour = number(text.substr(11, 2));
  parts.tm_min = number(text.substr(14, 2));
  parts.tm_sec = number(text.substr(17, 2));
  const int year = parts.tm_year + 1900;
  const bool in_range = year >= 1970 && year <= kLastYear && parts.tm_mon >= 0 && parts.tm_mon < 12 &&
                        parts.tm_mday >= 1 && parts.tm_mday <= 31 && parts.tm_hour < 24 &&
                        parts.tm_min < 60 && parts.tm_sec < 60;
  if (!in_range) return Error{ErrorCode::kOutOfRange, fmt::format("{} is no time that can be", text), ""};
  return std::chrono::system_clock::from_time_t(::timegm(&parts)) +
         std::chrono::milliseconds(number(text.substr(20, 3)));
}

}  // namespace tl
