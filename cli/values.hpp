// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.hpp"

// Setters for the usual kinds of values. The target outlives the setter. Only the form is checked
// (kOutOfRange): ranges are the runtime's business.
namespace tl::cli {

Setter store(std::string& target);
Setter store(std::optional<std::string>& target);
Setter append(std::vector<std::string>& target);
// A plain decimal number such as "1.5"; no exponent, no sign, no infinity.
Setter store_decimal(std::optional<double>& target);
// Digits only.
Setter store_whole(std::optional<std::uint32_t>& target);
Setter store_whole(std::uint32_t& target);
Setter store_whole(std::uint64_t& target);
Setter append_whole(std::vector<std::uint32_t>& target);
// Seconds, fractions allowed, more than none.
Setter store_seconds(std::chrono::milliseconds& target);
Setter store_seconds(std::optional<std::chrono::milliseconds>& target);
// "KEY=VALUE"; the value may be empty and hold anything.
Setter append_assignment(std::vector<std::pair<std::string, std::string>>& target);

// For flags without a value: sets `target` to `value`.
template <typename Enum>
Setter choose(Enum& target, Enum value) {
  return [&target, value](const std::string&) {
    target = value;
    return Result<void>();
  };
}

// For flags whose value is one of a few words.
template <typename Enum>
Setter choose_word(Enum& target, std::vector<std::pair<std::string, Enum>> words) {
  return [&target, words = std::move(words)](const std::string& value) {
    std::string known;
    for (const auto& [word, meaning] : words) {
      if (word == value) {
        target = meaning;
        return Result<void>();
      }
      known += (known.empty() ? "" : ", ") + word;
    }
    return Result<void>(Error{ErrorCode::kOutOfRange, "'" + value + "' is not one of " + known, {}});
  };
}

}  // namespace tl::cli
