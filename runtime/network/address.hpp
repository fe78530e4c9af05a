// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tl::network {

// An IPv4 or IPv6 address: 16 bytes, an IPv4 one as ::ffff:a.b.c.d.
struct Address {
  std::array<std::byte, 16> bytes = {};

  // 4 or 16 bytes in network order.
  static Address from(std::span<const std::byte> wire);
  // "192.0.2.1", "2001:db8::1"; nullopt for anything else.
  static std::optional<Address> parse(std::string_view text);

  [[nodiscard]] bool is_ipv4() const;
  // As it stands in a packet: 4 or 16 bytes.
  [[nodiscard]] std::span<const std::byte> wire() const;
  auto operator<=>(const Address&) const = default;
};

// All addresses that begin with the same bits.
struct Prefix {
  Address base;
  unsigned bits = 128;  // of the 16 bytes: an IPv4 prefix of n bits has 96 + n

  // An address, or one with "/bits"; bits behind the prefix are ignored.
  static std::optional<Prefix> parse(std::string_view text);

  [[nodiscard]] bool contains(const Address& address) const;
};

}  // namespace tl::network
