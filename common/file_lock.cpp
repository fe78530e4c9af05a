// SPDX-License-Identifier: Apache-2.0
#include "common/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "common/io.hpp"

namespace tl {

Result<FileLock> FileLock::acquire(int dir_fd, const std::string& name) {
  auto fd = open_at(dir_fd, name, O_RDWR | O_CREAT, 0600);
  if (!fd) return fd.error();
  while (::flock(fd->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return errno_error("lock " + name);
  }
  return FileLock(*std::move(fd));
}

Result<std::optional<FileLock>> FileLock::try_acquire(int dir_fd, const std::string& name) {
  auto fd = open_at(dir_fd, name, O_RDWR | O_CREAT, 0600);
  if (!fd) return fd.error();
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) return std::optional(FileLock(*std::move(fd)));
  if (errno == EWOULDBLOCK) return std::optional<FileLock>();
  return errno_error("lock " + name);
}

bool FileLock::is_held(int dir_fd, const std::string& name) {
  const auto fd = open_at(dir_fd, name, O_RDWR);
  if (!fd) return false;
  // A shared lock does not disturb others that only look.
  return ::flock(fd->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace tl
