// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/nbd_wire.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tl::storage::nbd {

Result<bool> receive(int socket, std::span<std::byte> into) {
  std::size_t have = 0;
  while (have < into.size()) {
    const ssize_t n = ::recv(socket, into.data() + have, into.size() - have, MSG_WAITALL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != ECONNRESET) return errno_error("receive");
    if (n <= 0 && have == 0) return false;
    if (n <= 0)
      return Error{ErrorCode::kFailure, "receive: the connection ended in the middle of a message", ""};
    have += static_cast<std::size_t>(n);
  }
  return true;
}

Result<void> send(int socket, std::span<const std::byte> head, std::span<const std::byte> body) {
  while (!head.empty() || !body.empty()) {
    std::array<iovec, 2> pieces{{{const_cast<std::byte*>(head.data()), head.size()},
                                 {const_cast<std::byte*>(body.data()), body.size()}}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const ssize_t n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("send");
    const auto sent = static_cast<std::size_t>(n);
    const std::size_t of_head = std::min(sent, head.size());
    head = head.subspan(of_head);
    body = body.subspan(sent - of_head);
  }
  return {};
}

}  // namespace tl::storage::nbd
