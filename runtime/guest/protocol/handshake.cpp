// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/handshake.hpp"

#include <algorithm>

#include "common/check.hpp"
#include "common/random.hpp"

namespace tl::guest {

Handshake new_handshake() {
  Handshake handshake;
  fill_random(handshake);
  std::copy(kHandshakeMagic.begin(), kHandshakeMagic.end(), handshake.begin());
  return handshake;
}

HandshakeFinder::HandshakeFinder(std::span<const std::byte> prefix) : prefix_(prefix.begin(), prefix.end()) {
  TL_CHECK(!prefix.empty() && prefix.size() <= kHandshakeBytes);
}

bool HandshakeFinder::take(std::span<const std::byte> bytes) {
  TL_CHECK(bytes.size() <= wanted());
  for (const std::byte byte : bytes) take(byte);
  return matched_ == kHandshakeBytes;
}

void HandshakeFinder::take(std::byte byte) {
  found_[matched_] = byte;
  if (matched_ >= prefix_.size() || byte == prefix_[matched_]) {
    ++matched_;
    return;
  }
  // The longest end of what was seen that is a beginning of the prefix may still become a match.
  const std::size_t seen = matched_ + 1;
  for (std::size_t keep = matched_; keep > 0; --keep) {
    const auto tail = found_.begin() + static_cast<std::ptrdiff_t>(seen - keep);
    if (std::equal(tail, tail + static_cast<std::ptrdiff_t>(keep), prefix_.begin())) {
      std::copy(tail, tail + static_cast<std::ptrdiff_t>(keep), found_.begin());
      matched_ = keep;
      return;
    }
  }
  matched_ = 0;
}

}  // namespace tl::guest
