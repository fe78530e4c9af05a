// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/tar_source.hpp"

#include <unistd.h>

#include <cerrno>

namespace tl::storage {

ByteSource source_of_fd(int fd) {
  return [fd](std::span<std::byte> into) -> Result<std::size_t> {
    ssize_t count = -1;
    do count = ::read(fd, into.data(), into.size());
    while (count < 0 && errno == EINTR);
    if (count < 0) return errno_error("read");
    return static_cast<std::size_t>(count);
  };
}

}  // namespace tl::storage
