// SPDX-License-Identifier: Apache-2.0
// File systems that a hostile guest wrote. The outcome may be anything that is bounded and no crash.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "runtime/storage/ext4_condition.hpp"
#include "runtime/storage/ext4_tar.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/ext4_samples.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using tl::storage::test::TempFolder;

namespace {

constexpr std::uint64_t kBlock = 4096;

// At most what it could hold, and one sentence otherwise.
Result<void> try_reading(const std::filesystem::path& path) {
  auto reader = tl::storage::Ext4Reader::open(path);
  if (!reader) return reader.error();
  std::uint64_t taken = 0;
  auto written = write_tar(
      **reader, [](const Ext4Met&) { return false; },
      [&taken](std::span<const std::byte> bytes) {
        taken += bytes.size();
        return Result<void>();
      },
      {});
  CHECK(taken < 4 * (test::kSampleMib << 20));
  if (!written) {
    CHECK_FALSE(written.error().message.empty());
    CHECK(written.error().message.find('\n') == std::string::npos);
  }
  return written;
}

// libext2fs's own writing side, which keeps the checksums right: a liar that is careful.
class Liar {
 public:
  explicit Liar(const std::filesystem::path& path) {
    REQUIRE(ext2fs_open(path.c_str(), EXT2_FLAG_64BITS | EXT2_FLAG_RW, 0, 0, unix_io_manager, &fs_) == 0);
  }
  ~Liar() { ext2fs_close_free(&fs_); }
  Liar(const Liar&) = delete;
  Liar& operator=(const Liar&) = delete;
  [[nodiscard]] ext2_filsys fs() const { return fs_; }

  [[nodiscard]] ext2_ino_t number(const char* name) const {
    ext2_ino_t number = 0;
    REQUIRE(ext2fs_namei(fs_, EXT2_ROOT_INO, EXT2_ROOT_INO, name, &number) == 0);
    return number;
  }
  template <typename Change>
  void change(const char* name, Change change) {
    ext2_inode_large inode = {};
    auto* small = reinterpret_cast<ext2_inode*>(&inode);
    REQUIRE(ext2fs_read_inode_full(fs_, number(name), small, sizeof inode) == 0);
    change(inode);
    REQUIRE(ext2fs_write_inode_full(fs_, number(name), small, sizeof inode) == 0);
  }
  void link(const char* folder, const char* name, ext2_ino_t to, int type) {
    REQUIRE(ext2fs_link(fs_, number(folder), name, to, type) == 0);
  }

 private:
  ext2_filsys fs_ = nullptr;
};

struct Sample {
  Sample() { test::make_sample(path); }
  TempFolder folder;
  std::filesystem::path path = folder.path() / "root.ext4";
};

std::string refusal(const std::filesystem::path& path) {
  const auto read = try_reading(path);
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("A folder in itself, or in two places, is refused") {
  Sample sample;
  {
    Liar liar(sample.path);
    liar.link("/deep", "up", liar.number("/deep"), EXT2_FT_DIR);
  }
  CHECK(refusal(sample.path).find("in two places") != std::string::npos);
}

TEST_CASE("Names with a slash, or of a file that is deleted, are refused") {
  Sample sample;
  {
    Liar liar(sample.path);
    liar.link("/deep", "a/../../b", liar.number("/empty"), EXT2_FT_REG_FILE);
  }
  CHECK(refusal(sample.path).find("slash") != std::string::npos);
  Sample other;
  Liar(other.path).change("/empty", [](ext2_inode_large& inode) { inode.i_links_count = 0; });
  CHECK(refusal(other.path).find("deleted") != std::string::npos);
}

TEST_CASE("Inode numbers out of range are refused") {
  Sample sample;
  {
    Liar liar(sample.path);
    liar.link("/deep", "far", 0x7fffffff, EXT2_FT_REG_FILE);
  }
  CHECK(refusal(sample.path).find("no such inode") != std::string::npos);
}

TEST_CASE("A file of absurd size is refused, and one beyond its disk is a hole") {
  Sample sample;
  Liar(sample.path).change("/big", [](ext2_inode_large& inode) { inode.i_size_high = 0xffffffff; });
  CHECK(refusal(sample.path).find("absurd") != std::string::npos);
  Sample other;
  Liar(other.path).change("/big", [](ext2_inode_large& inode) { inode.i_size_high = 0xff; });
  CHECK(try_reading(other.path));
}

TEST_CASE("Many files that claim the same blocks are refused before they fill the host") {
  Sample sample;
  {
    Liar liar(sample.path);
    ext2_inode_large big = {};
    liar.change("/big", [&big](const ext2_inode_large& inode) { big = inode; });
    for (int i = 0; i < 100; ++i) {
      const std::string name =
          "/many/file with a long name 00" + std::string(i < 10 ? "0" : "") + std::to_string(i);
      liar.change(name.c_str(), [&big](ext2_inode_large& inode) { inode = big; });
    }
  }
  const std::string why = refusal(sample.path);
  CHECK(why.find("more data than it can hold") != std::string::npos);
}

TEST_CASE("Extents beyond the disk are refused") {
  Sample sample;
  Liar(sample.path).change("/big", [](ext2_inode_large& inode) {
    auto* extent = EXT_FIRST_EXTENT(reinterpret_cast<ext3_extent_header*>(inode.i_block));
    extent->ee_start = 0xfffffff0;
  });
  CHECK_FALSE(refusal(sample.path).empty());
}

TEST_CASE("Bits that have flipped anywhere never crash the reader") {
  const bool checksums = GENERATE(true, false);
  Sample sample;
  if (!checksums) {
    // Without them a flipped bit gets further.
    Liar liar(sample.path);
    ext2fs_clear_feature_metadata_csum(liar.fs()->super);
    ext2fs_mark_super_dirty(liar.fs());
  }
  const test::Bytes sound = test::read_file(sample.path);
  std::vector<std::uint64_t> used;  // blocks that are not all zeroes: the rest says nothing
  for (std::uint64_t at = 0; at < sound.size(); at += kBlock) {
    static const test::Bytes kZero(kBlock);
    if (std::memcmp(sound.data() + at, kZero.data(), kBlock) != 0) used.push_back(at);
  }
  // The first are what describes the rest, so they are hit more often.
  test::Random random(20240229);
  const auto dirty = sample.folder.path() / "dirty";
  test::write_file(dirty, sound);
  const UniqueFd file(::open(dirty.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(file);
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t flips = 1 + test::below(random, 8);
    std::vector<std::uint64_t> places;
    for (std::uint64_t i = 0; i < flips; ++i) {
      const std::uint64_t bound = round % 4 == 0 ? 1 : used.size();
      places.push_back(used[test::below(random, bound)] + test::below(random, kBlock));
    }
    for (const std::uint64_t place : places) {
      const auto flipped = sound[place] ^ static_cast<std::byte>(1U << test::below(random, 8));
      REQUIRE(::pwrite(file.get(), &flipped, 1, static_cast<off_t>(place)) == 1);
    }
    INFO("round " << round);
    [[maybe_unused]] const auto outcome = try_reading(dirty);
    for (const std::uint64_t place : places)
      REQUIRE(::pwrite(file.get(), &sound[place], 1, static_cast<off_t>(place)) == 1);
  }
  CHECK(try_reading(dirty));
}
