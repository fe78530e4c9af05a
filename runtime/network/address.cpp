// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace tl::network {
namespace {

constexpr std::size_t kIpv4At = 12;  // behind ::ffff

}  // namespace

Address Address::from(std::span<const std::byte> wire) {
  Address address;
  if (wire.size() == 4) {
    address.bytes[10] = address.bytes[11] = std::byte{0xff};
    std::copy(wire.begin(), wire.end(), address.bytes.begin() + kIpv4At);
  } else {
    std::copy_n(wire.begin(), address.bytes.size(), address.bytes.begin());
  }
  return address;
}

std::optional<Address> Address::parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != text.size() || terminated.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::byte, 16> wire;
  if (::inet_pton(AF_INET, terminated.c_str(), wire.data()) == 1) return from(std::span(wire).first(4));
  if (::inet_pton(AF_INET6, terminated.c_str(), wire.data()) == 1) return from(wire);
  return std::nullopt;
}

bool Address::is_ipv4() const {
  const auto zero = [](std::byte b) { return b == std::byte{0}; };
  return std::all_of(bytes.begin(), bytes.begin() + 10, zero) && bytes[10] == std::byte{0xff} &&
         bytes[11] == std::byte{0xff};
}

std::span<const std::byte> Address::wire() const {
  return is_ipv4() ? std::span(bytes).subspan(kIpv4At) : std::span<const std::byte>(bytes);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = Address::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix{*base, 128};
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const unsigned most = base->is_ipv4() ? 32 : 128;
  const bool plain = failed == std::errc() && end == digits.data() + digits.size() &&
                     (digits.size() == 1 || digits.front() != '0');
  if (!plain || bits > most) return std::nullopt;
  return Prefix{*base, 128 - most + bits};
}

bool Prefix::contains(const Address& address) const {
  const unsigned whole = bits / 8;
  if (!std::equal(base.bytes.begin(), base.bytes.begin() + whole, address.bytes.begin())) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::byte>(0xff00 >> (bits % 8));
  return ((base.bytes[whole] ^ address.bytes[whole]) & mask) == std::byte{0};
}

}  // namespace tl::network
