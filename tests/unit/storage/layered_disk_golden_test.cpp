// SPDX-License-Identifier: Apache-2.0
// tests/golden/disk-<n> was written by version n of the format and is never written again: disks of every
// version before must open. FORMAT.md says what is in them.
#include <algorithm>

#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {

TEST_CASE("a disk of the first format version reads as it was written") {
  TempFolder temp;
  std::filesystem::copy(std::filesystem::path(TL_GOLDEN_DIR) / "disk-1", temp.path(),
                        std::filesystem::copy_options::recursive);
  const DiskBase base{temp.path() / "base.img", "sha256:golden"};
  auto info = LayeredDisk::describe(temp.path() / "disk");
  REQUIRE(info.has_value());
  CHECK(info->device_bytes == 64 * kKiB);
  CHECK(info->quota_bytes == 128 * kKiB);
  CHECK(info->layers == 2);

  Bytes expected = pattern(10 * kKiB, 1);
  expected.resize(64 * kKiB);
  const auto put = [&](std::size_t offset, const Bytes& bytes) {
    std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
  };
  put(4096, pattern(8192, 2));
  put(32768, pattern(512, 3));
  put(8192 + 1024, pattern(1024, 4));
  put(0, filled(4096, 0));
  put(61440, pattern(4096, 5));
  put(40960, pattern(8192, 6));
  put(40960, filled(4096, 0));

  auto disk = must(LayeredDisk::open(temp.path() / "disk", base));
  CHECK(read_at(*disk, 0, 64 * kKiB) == expected);
  CHECK(disk->held_bytes() == 6 * kClusterBytes);

  write_at(*disk, 512, pattern(512, 7));
  put(512, pattern(512, 7));
  must(disk->flush());
  disk.reset();
  disk = must(LayeredDisk::open(temp.path() / "disk", base));
  CHECK(read_at(*disk, 0, 64 * kKiB) == expected);
}

TEST_CASE("a disk of the second format version, and the frozen one made of it, read as they were written") {
  TempFolder temp;
  std::filesystem::copy(std::filesystem::path(TL_GOLDEN_DIR) / "disk-2", temp.path(),
                        std::filesystem::copy_options::recursive);
  const DiskBase base{temp.path() / "base.img", "sha256:golden"};
  auto info = LayeredDisk::describe(temp.path() / "checkpoint");
  REQUIRE(info.has_value());
  CHECK(info->frozen);
  CHECK(info->layers == 2);

  Bytes expected = pattern(10 * kKiB, 1);
  expected.resize(64 * kKiB);
  const auto put = [&](std::size_t offset, const Bytes& bytes) {
    std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
  };
  put(4096, pattern(8192, 2));
  put(32768, pattern(512, 3));
  put(0, filled(4096, 0));
  put(40960, pattern(4096, 4));
  put(8192, filled(4096, 0));

  auto copy = must(LayeredDisk::create_from(temp.path() / "copy", temp.path() / "checkpoint",
                                            {base, 64 * kKiB, 128 * kKiB}));
  CHECK(read_at(*copy, 0, 64 * kKiB) == expected);
  CHECK(copy->held_bytes() == 4 * kClusterBytes);

  put(0, pattern(512, 5));
  auto disk = must(LayeredDisk::open(temp.path() / "disk", base));
  CHECK(read_at(*disk, 0, 64 * kKiB) == expected);
  must(disk->flatten());
  CHECK(read_at(*disk, 0, 64 * kKiB) == expected);
}

}  // namespace tl::storage::test
