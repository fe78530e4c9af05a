// SPDX-License-Identifier: Apache-2.0
#include <endian.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <array>
#include <cstring>

#include "common/io.hpp"
#include "runtime/guest/agent/configure.hpp"

namespace tl::guest {
namespace {

// Not in every distribution's <linux/ext4.h>.
constexpr unsigned long kExt4ResizeFs = _IOW('f', 16, std::uint64_t);

// Of the superblock (Documentation/filesystems/ext4/super.rst).
constexpr std::uint64_t kSuperblockAt = 1024;
constexpr std::size_t kBlocksLow = 0x4, kLogBlockSize = 0x18, kMagic = 0x38, kIncompatible = 0x60,
                      kBlocksHigh = 0x150;
constexpr std::uint16_t kExt4Magic = 0xEF53;
constexpr std::uint32_t kIs64Bit = 0x80;

template <typename Number>
Number field(const std::array<std::byte, 1024>& superblock, std::size_t at) {
  Number number;
  std::memcpy(&number, superblock.data() + at, sizeof number);
  return number;  // ext4 is little-endian, as we are
}

struct Size {
  std::uint64_t blocks;
  std::uint64_t block_bytes;
};

// The mounted file system keeps its superblock in the device's page cache, so this is the present state.
Result<Size> size_of(int device) {
  std::array<std::byte, 1024> superblock;
  const auto read = pread_exact(device, superblock, kSuperblockAt);
  if (!read) return read.error().within("read the root file system's superblock");
  const auto log_block = field<std::uint32_t>(superblock, kLogBlockSize);
  if (field<std::uint16_t>(superblock, kMagic) != kExt4Magic || log_block > 6) {
    return Error{ErrorCode::kFailure, "the root file system is not ext4", ""};
  }
  std::uint64_t blocks = field<std::uint32_t>(superblock, kBlocksLow);
  if ((field<std::uint32_t>(superblock, kIncompatible) & kIs64Bit) != 0) {
    blocks |= static_cast<std::uint64_t>(field<std::uint32_t>(superblock, kBlocksHigh)) << 32;
  }
  return Size{blocks, std::uint64_t{1024} << log_block};
}

}  // namespace

Result<void> grow_root(std::uint64_t mib) {
  const auto device = open_at(AT_FDCWD, "/dev/vda", O_RDONLY);
  if (!device) return device.error();
  const auto size = size_of(device->get());
  if (!size) return size.error();
  const std::uint64_t wanted = mib * (1024 * 1024 / size->block_bytes);
  if (wanted <= size->blocks) return {};
  const auto root = open_at(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
  if (!root) return root.error();
  if (::ioctl(root->get(), kExt4ResizeFs, &wanted) != 0) {
    return errno_error("grow the root file system to " + std::to_string(mib) + " MiB");
  }
  return {};
}

}  // namespace tl::guest
