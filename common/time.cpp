// SPDX-License-Identifier: Apache-2.0
#include "common/time.hpp"

#include <charconv>
#include <chrono>

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
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time) - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<std::chrono::system_clock::time_point> parse_utc(std::string_view text) {
  using namespace std::chrono;
  if (!has_shape(text)) {
    return Error{ErrorCode::kOutOfRange, fmt::format("\"{}\" is not a time", text), ""};
  }
  const year_month_day date(year(number(text.substr(0, 4))),
                            month(static_cast<unsigned>(number(text.substr(5, 2)))),
                            day(static_cast<unsigned>(number(text.substr(8, 2)))));
  const hours hour(number(text.substr(11, 2)));
  const minutes minute(number(text.substr(14, 2)));
  const seconds second(number(text.substr(17, 2)));
  const bool in_range = date.ok() && date.year() >= year(1970) && date.year() <= year(kLastYear) &&
                        hour < 24h && minute < 60min && second < 60s;
  if (!in_range) return Error{ErrorCode::kOutOfRange, fmt::format("{} is no time that can be", text), ""};
  return system_clock::time_point(sys_days(date)) + hour + minute + second +
         milliseconds(number(text.substr(20, 3)));
}

}  // namespace tl
