// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/io.hpp"

namespace tl::snapshot {

Result<RegularFile> open_regular_file(int folder, const char* name, int flags) {
  if (::faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
    return Error{ErrorCode::kNotFound, std::string("there is no ") + name, ""};
  auto fd = open_at(folder, name, flags | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fd.error();
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return errno_error(std::string("stat ") + name);
  if (!S_ISREG(status.st_mode))
    return Error{ErrorCode::kFailure, std::string(name) + ": not a regular file", ""};
  return RegularFile{*std::move(fd), static_cast<std::uint64_t>(status.st_size)};
}

Result<void> sync_regular_file(int folder, const char* name) {
  const auto file = open_regular_file(folder, name, O_RDONLY);
  if (!file) return file.error();
  if (::fsync(file->fd.get()) != 0) return errno_error(std::string("sync ") + name);
  return {};
}

}  // namespace tl::snapshot
