// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/snapshot/crash_point.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

// The functions below stand in the place of the C library's.
namespace {

constexpr int kUnarmed = -1;
enum class At { kKill, kFail };

int calls_left = kUnarmed;
At what_happens = At::kKill;

bool fails_now() {
  if (calls_left == kUnarmed || calls_left-- != 0) return false;
  if (what_happens == At::kKill) ::_exit(9);
  calls_left = kUnarmed;
  errno = EIO;
  return true;
}

}  // namespace

extern "C" {
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  if (fails_now()) return -1;
  return ::syscall(SYS_pwrite64, fd, bytes, count, offset);
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, length));
}
int mkdirat(int dir, const char* path, mode_t mode) noexcept {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, dir, path, mode));
}
int ftruncate(int fd, off_t length) noexcept {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_ftruncate, fd, length));
}
int linkat(int old_dir, const char* old_path, int new_dir, const char* new_path, int flags) noexcept {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_linkat, old_dir, old_path, new_dir, new_path, flags));
}
int renameat(int old_dir, const char* old_path, int new_dir, const char* new_path) noexcept {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_renameat, old_dir, old_path, new_dir, new_path));
}
int unlinkat(int dir, const char* path, int flags) noexcept {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, dir, path, flags));
}
int fsync(int fd) {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
  if (fails_now()) return -1;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
}

namespace tl::snapshot::test {

void die_after(int steps) {
  what_happens = At::kKill;
  calls_left = steps;
}
void fail_after(int steps) {
  what_happens = At::kFail;
  calls_left = steps;
}
void disarm() {
  calls_left = kUnarmed;
}

}  // namespace tl::snapshot::test
