// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/cable.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace tl::network {

// False when it has to wait. Whoever has no other side any more loses it.
bool Cable::send_now(Frame frame) {
  const ssize_t sent = ::send(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOBUFS);
}

void Cable::send(Frame frame) {
  if (waiting_.empty() && send_now(frame)) return;
  if (waiting_bytes_ + frame.size() > kMostWaiting) {
    ++dropped_;
    return;
  }
  waiting_.emplace_back(frame.begin(), frame.end());
  waiting_bytes_ += frame.size();
}

void Cable::flush() {
  while (!waiting_.empty() && send_now(waiting_.front())) {
    waiting_bytes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
}

std::optional<Frame> Cable::receive() {
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), frame_.data(), frame_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got <= 0) return std::nullopt;
    if (static_cast<std::size_t>(got) <= frame_.size())
      return Frame(frame_).first(static_cast<std::size_t>(got));
    ++dropped_;
  }
}

}  // namespace tl::network
