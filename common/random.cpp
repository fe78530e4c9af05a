// SPDX-License-Identifier: Apache-2.0
#include "common/random.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "common/check.hpp"

namespace tl {

void fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::getrandom(bytes.data(), bytes.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    TL_CHECK(n > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

std::string random_base36(std::size_t length) {
  constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  // 252 is the largest multiple of 36 in a byte; anything above would favour the first digits.
  constexpr unsigned kUnbiased = 252;
  std::string text;
  std::array<std::byte, 32> bytes;
  while (text.size() < length) {
    fill_random(bytes);
    for (const std::byte b : bytes) {
      const auto value = std::to_integer<unsigned>(b);
      if (value < kUnbiased && text.size() < length) text += kDigits[value % 36];
    }
  }
  return text;
}

}  // namespace tl
