// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/disk_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/io.hpp"

namespace tl::storage {
namespace {

class HostFile final : public DiskFile {
 public:
  HostFile(UniqueFd fd, std::string name, std::shared_ptr<const SyncSwitch> syncs)
      : fd_(std::move(fd)), name_(std::move(name)), syncs_(std::move(syncs)) {}

  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    auto done = pread_exact(fd_.get(), into, offset);
    if (!done) return done.error().within(name_);
    return {};
  }

  Result<void> write(std::uint64_t offset, std::span<const iovec> pieces) override;

  Result<void> reserve(std::uint64_t offset, std::uint64_t length) override {
    return allocate(0, offset, length, "reserve space");
  }

  Result<void> punch(std::uint64_t offset, std::uint64_t length) override {
    return allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length, "punch a hole");
  }

  Result<void> sync() override {
    if (syncs_ && !syncs_->is_on()) return {};
    if (::fdatasync(fd_.get()) != 0) return errno_error(name_ + ": fdatasync");
    return {};
  }

  Result<std::optional<Extent>> next_data(std::uint64_t offset) override {
    const off_t begin = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return std::optional<Extent>();
    if (begin < 0) return errno_error(name_ + ": seek data");
    const off_t end = ::lseek(fd_.get(), begin, SEEK_HOLE);
    if (end < 0) return errno_error(name_ + ": seek hole");
    return std::optional(Extent{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)});
  }

  Result<Size> size() override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return errno_error(name_ + ": stat");
    constexpr std::uint64_t kStatBlock = 512;
    return Size{static_cast<std::uint64_t>(status.st_size),
                static_cast<std::uint64_t>(status.st_blocks) * kStatBlock,
                static_cast<std::uint64_t>(status.st_nlink)};
  }

  std::optional<std::uint64_t> free_space() override {
    struct statvfs host {};
    if (::fstatvfs(fd_.get(), &host) != 0 || host.f_blocks == 0) return std::nullopt;
    return std::uint64_t{host.f_bavail} * host.f_frsize;
  }

 private:
  Result<void> allocate(int mode, std::uint64_t offset, std::uint64_t length, const char* what) {
    int failed = 0;
    do failed = ::fallocate(fd_.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length));
    while (failed != 0 && errno == EINTR);
    if (failed != 0 && errno != EOPNOTSUPP && errno != ENOSYS) return errno_error(name_ + ": " + what);
    return {};
  }

  UniqueFd fd_;
  std::string name_;
  std::shared_ptr<const SyncSwitch> syncs_;
};

Result<void> HostFile::write(std::uint64_t offset, std::span<const iovec> pieces) {
  constexpr std::size_t kMaxPieces = 4;
  TL_CHECK(pieces.size() <= kMaxPieces);
  std::array<iovec, kMaxPieces> left{};
  std::copy(pieces.begin(), pieces.end(), left.begin());
  std::size_t first = 0;
  while (first < pieces.size()) {
    const ssize_t n = ::pwritev(fd_.get(), left.data() + first, static_cast<int>(pieces.size() - first),
                                static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(name_ + ": write");
    offset += static_cast<std::uint64_t>(n);
    auto written = static_cast<std::size_t>(n);
    while (first < pieces.size() && written >= left[first].iov_len) written -= left[first++].iov_len;
    if (first < pieces.size()) {
      left[first].iov_base = static_cast<std::byte*>(left[first].iov_base) + written;
      left[first].iov_len -= written;
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<DiskFile> make_host_file(UniqueFd fd, std::string name,
                                         std::shared_ptr<const SyncSwitch> syncs) {
  return std::make_unique<HostFile>(std::move(fd), std::move(name), std::move(syncs));
}

}  // namespace tl::storage
