// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <utility>

#include "common/result.hpp"

namespace tl {

// Owns one file descriptor and closes it. Empty is -1.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0 && old != fd) ::close(old);
  }

 private:
  int fd_ = -1;
};

// Two connected ends of a close-on-exec AF_UNIX stream socket.
Result<std::pair<UniqueFd, UniqueFd>> stream_socket_pair();
// The same of one that keeps messages apart (SOCK_SEQPACKET).
Result<std::pair<UniqueFd, UniqueFd>> packet_socket_pair();

// Another close-on-exec descriptor of the same open file.
Result<UniqueFd> duplicate(const UniqueFd& fd);

}  // namespace tl
