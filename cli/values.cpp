// SPDX-License-Identifier: Apache-2.0
#include "cli/values.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace tl::cli {
namespace {

Error malformed(const std::string& value, const char* expected) {
  return Error{ErrorCode::kOutOfRange, fmt::format("'{}' is not {}", value, expected), {}};
}

template <typename Number>
Result<Number> whole(const std::string& value) {
  Number number{};
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error == std::errc::result_out_of_range && stop == end) return malformed(value, "within range");
  if (error != std::errc() || stop != end) return malformed(value, "a whole number");
  return number;
}

Result<double> decimal(const std::string& value) {
  double number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || stop != end || !std::isfinite(number) || value.front() == '-') {
    return malformed(value, "a number");
  }
  return number;
}

template <typename Number, typename Target>
Setter store_number(Target& target) {
  return [&target](const std::string& value) -> Result<void> {
    const auto number = whole<Number>(value);
    if (!number) return number.error();
    target = *number;
    return {};
  };
}

template <typename Target>
Setter store_time(Target& target) {
  return [&target](const std::string& value) -> Result<void> {
    constexpr double kLongest = 1e9;  // thirty years; keeps the milliseconds far from overflow
    const auto seconds = decimal(value);
    if (!seconds) return seconds.error();
    const auto milliseconds = std::llround(std::min(*seconds, kLongest) * 1000);
    if (milliseconds <= 0 || *seconds > kLongest) return malformed(value, "a time of at least 0.001 seconds");
    target = std::chrono::milliseconds(milliseconds);
    return {};
  };
}

}  // namespace

Setter store(std::string& target) {
  return [&target](const std::string& value) {
    target = value;
    return Result<void>();
  };
}

Setter store(std::optional<std::string>& target) {
  return [&target](const std::string& value) {
    target = value;
    return Result<void>();
  };
}

Setter append(std::vector<std::string>& target) {
  return [&target](const std::string& value) {
    target.push_back(value);
    return Result<void>();
  };
}

Setter store_decimal(std::optional<double>& target) {
  return [&target](const std::string& value) -> Result<void> {
    const auto number = decimal(value);
    if (!number) return number.error();
    target = *number;
    return {};
  };
}

Setter store_whole(std::optional<std::uint32_t>& target) {
  return store_number<std::uint32_t>(target);
}

Setter store_whole(std::uint32_t& target) {
  return store_number<std::uint32_t>(target);
}

Setter store_whole(std::uint64_t& target) {
  return store_number<std::uint64_t>(target);
}

Setter append_whole(std::vector<std::uint32_t>& target) {
  return [&target](const std::string& value) -> Result<void> {
    std::uint32_t number = 0;
    auto stored = store_whole(number)(value);
    if (stored) target.push_back(number);
    return stored;
  };
}

Setter store_seconds(std::chrono::milliseconds& target) {
  return store_time(target);
}

Setter store_seconds(std::optional<std::chrono::milliseconds>& target) {
  return store_time(target);
}

Setter append_assignment(std::vector<std::pair<std::string, std::string>>& target) {
  return [&target](const std::string& value) -> Result<void> {
    const auto equals = value.find('=');
    if (equals == std::string::npos || equals == 0) return malformed(value, "of the form KEY=VALUE");
    target.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    return {};
  };
}

}  // namespace tl::cli
