// SPDX-License-Identifier: Apache-2.0
#include "common/unique_fd.hpp"

#include <fcntl.h>
#include <sys/socket.h>

namespace tl {

namespace {

Result<std::pair<UniqueFd, UniqueFd>> socket_pair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> stream_socket_pair() {
  return socket_pair(SOCK_STREAM);
}

Result<std::pair<UniqueFd, UniqueFd>> packet_socket_pair() {
  return socket_pair(SOCK_SEQPACKET);
}

Result<UniqueFd> duplicate(const UniqueFd& fd) {
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return errno_error("duplicate a file descriptor");
  return UniqueFd(copy);
}

}  // namespace tl
