// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/cbor.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tl::guest::cbor {
namespace {

constexpr unsigned kBytes = 2, kText = 3, kArray = 4, kMap = 5, kTag = 6, kSimple = 7;

Error wrong(std::string what) {
  return Error{ErrorCode::kOutOfRange, "CBOR: " + std::move(what), ""};
}

}  // namespace

Result<void> check(std::span<const std::byte> bytes) {
  std::array<std::uint64_t, kMaxDepth> open{};  // items still to come on each level
  std::size_t depth = 0;
  std::size_t items = 0;
  std::size_t at = 0;
  for (;;) {
    if (at == bytes.size()) return wrong("it ends too early");
    if (++items > kMaxItems) return wrong("too many items");
    const auto first = std::to_integer<unsigned>(bytes[at++]);
    const unsigned major = first >> 5;
    std::uint64_t value = first & 31;
    if (value > 27) return wrong("reserved or indefinite length");
    if (value > 23) {
      const std::size_t width = std::size_t{1} << (value - 24);
      if (bytes.size() - at < width) return wrong("it ends too early");
      value = 0;
      for (std::size_t i = 0; i < width; ++i) value = value << 8 | std::to_integer<unsigned>(bytes[at++]);
    }
    if (major == kTag) return wrong("tags are not used here");
    if (major == kSimple && (first & 31) <= 24 && value != 20 && value != 21)
      return wrong("unknown simple value");
    if (major == kBytes || major == kText) {
      if (value > bytes.size() - at) return wrong("a string is longer than the message");
      at += static_cast<std::size_t>(value);
    }
    if ((major == kArray || major == kMap) && value > 0) {
      if (value > kMaxItems) return wrong("too many items");
      if (depth == kMaxDepth) return wrong("nested too deeply");
      open[depth++] = major == kMap ? 2 * value : value;
      continue;
    }
    while (depth > 0 && --open[depth - 1] == 0) --depth;
    if (depth == 0) break;
  }
  if (at != bytes.size()) return wrong("something follows its end");
  return {};
}

Result<json> parse_map(std::span<const std::byte> bytes) {
  const auto sound = check(bytes);
  if (!sound) return sound.error();
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  json item = json::from_cbor(begin, begin + bytes.size(), /*strict=*/true, /*allow_exceptions=*/false);
  if (!item.is_object()) return wrong("a map is expected");
  return item;
}

std::vector<std::byte> serialize(const json& item) {
  const std::vector<std::uint8_t> bytes = json::to_cbor(item);
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return {begin, begin + bytes.size()};
}

json bytes_of(std::string_view text) {
  return json::binary(std::vector<std::uint8_t>(text.begin(), text.end()));
}

Error wrong_field(std::string_view field) {
  return Error{ErrorCode::kOutOfRange, "the field " + std::string(field) + " is missing or wrong", ""};
}

const json* find(const json& map, const char* field) {
  const auto found = map.find(field);
  return found == map.end() ? nullptr : &*found;
}

Result<std::string> take_bytes(const json* item, std::string_view field) {
  if (item == nullptr || !item->is_binary()) return wrong_field(field);
  const auto& bytes = item->get_binary();
  return std::string(bytes.begin(), bytes.end());
}

Result<std::string> take_text(const json* item, std::string_view field) {
  if (item == nullptr || !item->is_string()) return wrong_field(field);
  return item->get_ref<const std::string&>();
}

Result<bool> take_bool(const json* item, std::string_view field) {
  if (item == nullptr || !item->is_boolean()) return wrong_field(field);
  return item->get<bool>();
}

Result<double> take_number(const json* item, std::string_view field) {
  if (item == nullptr || !item->is_number()) return wrong_field(field);
  const auto number = item->get<double>();
  if (!std::isfinite(number)) return wrong_field(field);
  return number;
}

Result<std::int64_t> take_integer(const json* item, std::string_view field, std::int64_t least,
                                  std::int64_t most) {
  if (item == nullptr || !item->is_number_integer()) return wrong_field(field);
  if (item->is_number_unsigned() &&
      item->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return wrong_field(field);
  }
  const auto number = item->get<std::int64_t>();
  if (number < least || number > most) return wrong_field(field);
  return number;
}

Result<std::uint64_t> take_unsigned(const json* item, std::string_view field) {
  if (item == nullptr || !item->is_number_unsigned()) return wrong_field(field);
  return item->get<std::uint64_t>();
}

}  // namespace tl::guest::cbor
