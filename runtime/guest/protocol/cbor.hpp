// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

// CBOR (RFC 8949) within the bounds of the agent protocol. Only the protocol's own sources include this.
namespace tl::guest::cbor {

using nlohmann::json;

// What a hostile message may cost.
inline constexpr std::size_t kMaxDepth = 8;
inline constexpr std::size_t kMaxItems = 512 * 1024;

// Exactly one item, of definite lengths only, without tags, no deeper than kMaxDepth, of at most kMaxItems
// items in all. Checked by a walk that neither recurses nor allocates, before anything is built: nlohmann's
// reader recurses for each level, even inside a string of indefinite length.
Result<void> check(std::span<const std::byte> bytes);

// The checked item as a map.
Result<json> parse_map(std::span<const std::byte> bytes);

std::vector<std::byte> serialize(const json& item);

// Strings of the guest are bytes (arguments, paths, environment need not be UTF-8), so they travel as byte
// strings.
json bytes_of(std::string_view text);

// The readers below fail with kOutOfRange and name the field.
Error wrong_field(std::string_view field);
const json* find(const json& map, const char* field);  // null when it is not there
Result<std::string> take_bytes(const json* item, std::string_view field);
Result<std::string> take_text(const json* item, std::string_view field);
Result<bool> take_bool(const json* item, std::string_view field);
Result<double> take_number(const json* item, std::string_view field);
Result<std::int64_t> take_integer(const json* item, std::string_view field, std::int64_t least,
                                  std::int64_t most);
Result<std::uint64_t> take_unsigned(const json* item, std::string_view field);
// The position of the word in a list that is in the order of its enumeration.
template <typename Kind, std::size_t kSize>
Result<Kind> take_kind(const json* item, std::string_view field, const std::string_view (&words)[kSize]) {
  const auto word = take_text(item, field);
  if (!word) return word.error();
  const auto* found = std::find(std::begin(words), std::end(words), *word);
  if (found == std::end(words)) return wrong_field(field);
  return static_cast<Kind>(found - words);
}

}  // namespace tl::guest::cbor
