// SPDX-License-Identifier: Apache-2.0
#include "common/printable.hpp"

#include <algorithm>

namespace tl {
namespace {

// The length of the well-formed UTF-8 sequence of a printable character at the beginning of `text`; 0 when
// there is none.
std::size_t printable_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (byte(0) == 0xc2 && byte(1) < 0xa0) return 0;                                         // C1 controls
  if (byte(0) == 0xe0 && byte(1) < 0xa0) return 0;                                         // overlong
  if (byte(0) == 0xed && byte(1) >= 0xa0) return 0;                                        // surrogates
  if (byte(0) == 0xe2 && byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae) return 0;  // line ends, bidi
  if (byte(0) == 0xe2 && byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9) return 0;  // bidi isolates
  if (byte(0) == 0xf0 && byte(1) < 0x90) return 0;                                         // overlong
  if (byte(0) == 0xf4 && byte(1) >= 0x90) return 0;                                        // beyond Unicode
  return length;
}

}  // namespace

std::string make_printable(std::string_view text, std::size_t limit) {
  std::string line;
  while (!text.empty()) {
    const std::size_t length = printable_length(text);
    if (line.size() + std::max<std::size_t>(length, 1) > limit) break;
    if (length == 0) line += text[0] == '\t' ? ' ' : '?';
    line += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return line;
}

}  // namespace tl
