// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/files/new_file.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "common/random.hpp"

namespace tl::guest {
namespace {

// Where a nameless file is found to be given a name; a root without /proc has none.
std::string path_of(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

bool can_name_later(int fd) {
  return ::access(path_of(fd).c_str(), F_OK) == 0;
}

}  // namespace

std::string temporary_name() {
  constexpr std::size_t kRandom = 16;
  return NewFile::kTemporaryPrefix + random_base36(kRandom);
}

Result<void> check_replaceable(int folder, const std::string& name, const std::string& shown) {
  struct stat there {};
  if (::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("look at " + shown);
  }
  if (S_ISREG(there.st_mode) || S_ISLNK(there.st_mode)) return {};
  if (S_ISDIR(there.st_mode)) return Error{ErrorCode::kConflict, shown + " is a folder", ""};
  return Error{ErrorCode::kConflict, shown + " is there and is neither a file nor a folder", ""};
}

NewFile::NewFile(int folder, std::string name, std::string shown)
    : folder_(folder), name_(std::move(name)), shown_(std::move(shown)) {}

NewFile::NewFile(NewFile&& other) noexcept
    : folder_(other.folder_),
      name_(std::move(other.name_)),
      shown_(std::move(other.shown_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)) {}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlinkat(folder_, temporary_.c_str(), 0);
}

Result<NewFile> NewFile::create(int folder, std::string name, std::string shown) {
  if (auto free = check_replaceable(folder, name, shown); !free) return free.error();
  NewFile file(folder, std::move(name), std::move(shown));
  constexpr mode_t kPrivate = 0600;
  file.fd_.reset(::openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kPrivate));
  if (file.fd_ && can_name_later(file.fd())) return file;
  if (!file.fd_ && errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL) {
    return errno_error("create " + file.shown_);
  }
  std::string temporary = temporary_name();
  file.fd_.reset(
      ::openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kPrivate));
  if (!file.fd_) return errno_error("create " + file.shown_);
  file.temporary_ = std::move(temporary);
  return file;
}

Result<void> NewFile::publish(mode_t permissions, const timespec* modified) {
  if (::fchmod(fd(), permissions) != 0) return errno_error("set the mode of " + shown_);
  const timespec times[2] = {{0, UTIME_OMIT}, modified != nullptr ? *modified : timespec{0, UTIME_OMIT}};
  if (::futimens(fd(), times) != 0) return errno_error("set the time of " + shown_);
  if (!temporary_.empty()) return replace();
  const std::string nameless = path_of(fd());
  if (::linkat(AT_FDCWD, nameless.c_str(), folder_, name_.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  if (errno != EEXIST) return errno_error("create " + shown_);
  std::string temporary = temporary_name();
  if (::linkat(AT_FDCWD, nameless.c_str(), folder_, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return errno_error("create " + shown_);
  }
  temporary_ = std::move(temporary);
  return replace();
}

Result<void> NewFile::replace() {
  if (::renameat(folder_, temporary_.c_str(), folder_, name_.c_str()) != 0) {
    return errno_error("replace " + shown_);
  }
  temporary_.clear();
  return {};
}

}  // namespace tl::guest
