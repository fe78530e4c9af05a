// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/life_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "common/file_lock.hpp"
#include "common/io.hpp"
#include "runtime/registry/paths.hpp"

namespace tl::registry {
namespace {

int lock(int fd, int operation) {
  int result = 0;
  do result = ::flock(fd, operation);
  while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

Result<LifeLock> LifeLock::take(int work_fd) {
  auto fd = open_at(work_fd, layout::kLifeLock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd) return fd.error();
  if (lock(fd->get(), LOCK_EX | LOCK_NB) == 0) return LifeLock(*std::move(fd));
  if (errno != EWOULDBLOCK) return errno_error("lock alive");
  // is_held() looks by means of a shared lock. When we can share too, lookers are all there is, and they go.
  if (lock(fd->get(), LOCK_SH | LOCK_NB) != 0) {
    return Error{ErrorCode::kConflict, "its monitor is alive", ""};
  }
  if (lock(fd->get(), LOCK_EX) != 0) return errno_error("lock alive");
  return LifeLock(*std::move(fd));
}

Result<LifeLock> LifeLock::adopt(int work_fd, UniqueFd passed) {
  struct stat ours {};
  struct stat theirs {};
  if (::fstatat(work_fd, layout::kLifeLock, &ours, AT_SYMLINK_NOFOLLOW) != 0) return errno_error("life lock");
  if (::fstat(passed.get(), &theirs) != 0) return errno_error("inherited life lock");
  if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino) {
    return Error{ErrorCode::kFailure, "the inherited descriptor is not this sandbox's life lock", ""};
  }
  // Another open of the file sees whether this one's lock is held; taking what we have already changes
  // nothing.
  if (!FileLock::is_held(work_fd, layout::kLifeLock) || lock(passed.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kFailure, "the inherited life lock is not held", ""};
  }
  if (::fcntl(passed.get(), F_SETFD, FD_CLOEXEC) != 0) return errno_error("inherited life lock");
  return LifeLock(std::move(passed));
}

bool LifeLock::is_held(int dir_fd, const std::string& relative) {
  return FileLock::is_held(dir_fd, relative + "/" + layout::kLifeLock);
}

}  // namespace tl::registry
