// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/unique_fd.hpp"
#include "runtime/network/packet.hpp"
#include "runtime/network/plan.hpp"

namespace tl::network {

// Our end of the wire to a guest's network card: a socket that keeps messages apart, each an Ethernet frame.
// Frames that the guest does not take wait here, up to kMostWaiting bytes; what is more is dropped, and
// counted. Frames of the guest wait in the socket. One thread.
class Cable {
 public:
  static constexpr std::size_t kMostWaiting = 1 << 20;

  explicit Cable(UniqueFd socket) : socket_(std::move(socket)) {}

  [[nodiscard]] int fd() const { return socket_.get(); }
  // Frames wait: take no more of the world's before they are gone (flush() when the socket is writable).
  [[nodiscard]] bool is_full() const { return !waiting_.empty(); }
  [[nodiscard]] std::size_t waiting_bytes() const { return waiting_bytes_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  void send(Frame frame);
  void flush();
  // The next frame of the guest, valid until the next call; nullopt when there is none now. A longer one than
  // a card may send is dropped.
  std::optional<Frame> receive();

 private:
  bool send_now(Frame frame);

  UniqueFd socket_;
  std::deque<std::vector<std::byte>> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::vector<std::byte> frame_ = std::vector<std::byte>(kMostFrameBytes);
};

}  // namespace tl::network
