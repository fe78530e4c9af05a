// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

// What goes over the agent link below HTTP/2 whenever one side is new: the other may be in the middle of
// anything, and bytes of an earlier session may still be on their way. The host sends a handshake (magic and
// nonce), the agent sends it back, and each side discards whatever comes before it. PROTOCOL.md tells the
// whole story.
namespace tl::guest {

inline constexpr std::size_t kHandshakeBytes = 20;
inline constexpr std::array<std::byte, 4> kHandshakeMagic{std::byte{'T'}, std::byte{'L'}, std::byte{'A'},
                                                          std::byte{'1'}};
// The longest HTTP/2 frame with its head. So many bytes of 0xFF complete any frame that an old session has
// half received, and the next is too long for it to stand.
inline constexpr std::size_t kFlushBytes = 16384 + 9;

using Handshake = std::array<std::byte, kHandshakeBytes>;

// The magic and a random nonce.
Handshake new_handshake();

// Finds the next kHandshakeBytes bytes that begin with `prefix` in a stream of garbage: the agent looks for
// the magic, the host for the very handshake it sent.
class HandshakeFinder {
 public:
  // 1 to kHandshakeBytes bytes.
  explicit HandshakeFinder(std::span<const std::byte> prefix);

  // How many bytes may be read next so that none behind the handshake is taken; 0 once it is found.
  [[nodiscard]] std::size_t wanted() const { return kHandshakeBytes - matched_; }
  // At most wanted() bytes. True when the handshake is complete.
  bool take(std::span<const std::byte> bytes);
  [[nodiscard]] const Handshake& found() const { return found_; }
  // Looks for another one.
  void restart() { matched_ = 0; }

 private:
  void take(std::byte byte);
  std::vector<std::byte> prefix_;
  Handshake found_{};
  std::size_t matched_ = 0;
};

}  // namespace tl::guest
