// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_builder.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include <fmt/format.h>

#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::test;

namespace {

constexpr std::uint64_t kSmallMib = 64;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::unique_ptr<Ext4Builder> make(const TempFolder& folder, std::uint64_t size_mib = kSmallMib) {
  auto builder = Ext4Builder::create(folder.path() / "root.ext4", {.size_mib = size_mib});
  REQUIRE(builder);
  return *std::move(builder);
}

Result<void> add_file(Ext4Builder& builder, const std::string& path, const std::string& data,
                      Ext4Attributes attributes = {}) {
  if (auto written = builder.write(0, bytes_of(data)); !written) return written;
  return builder.add_file(path, data.size(), std::move(attributes));
}

}  // namespace

TEST_CASE("An empty file system is clean and takes little space on the host") {
  const TempFolder folder;
  REQUIRE(make(folder, 10240)->finish());
  const auto image = folder.path() / "root.ext4";
  CHECK(is_clean(image));
  struct stat status = {};
  REQUIRE(::stat(image.c_str(), &status) == 0);
  CHECK(status.st_size == std::int64_t{10240} << 20);
  CHECK(status.st_blocks * 512 < 16 << 20);
  const Ext4Reader reader(image);
  CHECK(reader.names("/") == std::vector<std::string>{"lost+found"});
}

TEST_CASE("Descriptors are reserved so that a mounted file system grows to the largest disk") {
  const TempFolder folder;
  REQUIRE(make(folder, 10240)->finish());
  const Ext4Reader reader(folder.path() / "root.ext4");
  const ext2_filsys fs = reader.fs();
  const std::uint64_t groups = (Ext4Volume::kLargestMib * 256 + 32767) / 32768;
  CHECK((fs->desc_blocks + fs->super->s_reserved_gdt_blocks) * (4096 / 64) >= groups);
  CHECK(ext2fs_has_feature_resize_inode(fs->super));
  CHECK(ext2fs_r_blocks_count(fs->super) == 0);
}

TEST_CASE("No group's inode table waits to be zeroed by the guest") {
  const TempFolder folder;
  REQUIRE(make(folder, 1024)->finish());
  const Ext4Reader reader(folder.path() / "root.ext4");
  for (dgrp_t group = 0; group < reader.fs()->group_desc_count; ++group) {
    CHECK(ext2fs_bg_flags_test(reader.fs(), group, EXT2_BG_INODE_ZEROED));
  }
}

TEST_CASE("Every kind of file keeps its type, mode, owner and time") {
  const TempFolder folder;
  auto builder = make(folder);
  const Ext4Attributes odd{.mode = 06751,
                           .uid = 70000,
                           .gid = 4'000'000'000U,
                           .mtime_seconds = 5'000'000'000,
                           .mtime_nanoseconds = 123456789};
  REQUIRE(add_file(*builder, "file", "hello", odd));
  REQUIRE(builder->add_directory("sticky", {.mode = 01777}));
  REQUIRE(builder->add_symlink("fast", "somewhere", {.mode = 0777}));
  REQUIRE(builder->add_symlink("slow", std::string(3000, 'x'), {.mode = 0777}));
  REQUIRE(builder->add_special("null", {Ext4Special::Kind::kCharDevice, 1, 3}, {.mode = 0666}));
  REQUIRE(builder->add_special("disk", {Ext4Special::Kind::kBlockDevice, 259, 70000}, {}));
  REQUIRE(builder->add_special("fifo", {Ext4Special::Kind::kFifo}, {}));
  REQUIRE(builder->add_special("socket", {Ext4Special::Kind::kSocket}, {}));
  REQUIRE(builder->finish());

  CHECK(is_clean(folder.path() / "root.ext4"));
  const Ext4Reader reader(folder.path() / "root.ext4");
  const auto file = reader.inode("file");
  CHECK(file.i_mode == (S_IFREG | 06751));
  CHECK((file.i_uid | file.osd2.linux2.l_i_uid_high << 16) == 70000);
  CHECK((file.i_gid | static_cast<std::uint32_t>(file.osd2.linux2.l_i_gid_high) << 16) == 4'000'000'000U);
  CHECK(file.i_mtime == static_cast<std::uint32_t>(5'000'000'000));
  CHECK((file.i_mtime_extra & 3U) == 1);
  CHECK(file.i_mtime_extra >> 2 == 123456789);
  CHECK(reader.contents("file") == "hello");
  CHECK(reader.inode("sticky").i_mode == (S_IFDIR | 01777));
  CHECK(reader.contents("fast") == "somewhere");
  CHECK(reader.contents("slow") == std::string(3000, 'x'));
  CHECK(reader.inode("null").i_mode == (S_IFCHR | 0666));
  CHECK(reader.inode("null").i_block[0] == (1U << 8 | 3U));
  CHECK(reader.inode("disk").i_block[1] == (259U << 8 | (70000U & 0xffU) | (70000U & ~0xffU) << 12));
  CHECK(LINUX_S_ISFIFO(reader.inode("fifo").i_mode));
  CHECK(LINUX_S_ISSOCK(reader.inode("socket").i_mode));
}

TEST_CASE("A time before 1970 and one beyond what ext4 holds are kept as well as can be") {
  const TempFolder folder;
  auto builder = make(folder);
  REQUIRE(builder->add_directory("early", {.mtime_seconds = -1}));
  REQUIRE(builder->add_directory("late", {.mtime_seconds = std::int64_t{1} << 40}));
  REQUIRE(builder->finish());
  const Ext4Reader reader(folder.path() / "root.ext4");
  CHECK(reader.inode("early").i_mtime == 0xffffffffU);
  CHECK((reader.inode("early").i_mtime_extra & 3U) == 0);
  CHECK((reader.inode("late").i_mtime_extra & 3U) == 3);
}

TEST_CASE("Hard links share one inode that counts them") {
  const TempFolder folder;
  auto builder = make(folder);
  REQUIRE(add_file(*builder, "a", "data"));
  REQUIRE(builder->add_hard_link("deep/b", "a"));
  REQUIRE(builder->add_symlink("link", "a", {}));
  REQUIRE(builder->add_hard_link("link2", "link"));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  const Ext4Reader reader(folder.path() / "root.ext4");
  CHECK(reader.inode_number("a") == reader.inode_number("deep/b"));
  CHECK(reader.inode("a").i_links_count == 2);
  CHECK(reader.inode_number("link") == reader.inode_number("link2"));
}

TEST_CASE("A hard link may replace the folder that holds its only other name") {
  const TempFolder folder;
  auto builder = make(folder);
  REQUIRE(add_file(*builder, "a/b", std::string(10000, 'q')));
  REQUIRE(builder->add_hard_link("a", "a/b"));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  CHECK(Ext4Reader(folder.path() / "root.ext4").contents("a") == std::string(10000, 'q'));
}

TEST_CASE("Zeroes and gaps become holes, and the data around them stay where they were") {
  const TempFolder folder;
  auto builder = make(folder);
  const std::string head(5000, 'h');
  const std::string tail(100, 't');
  constexpr std::uint64_t kTailAt = (std::uint64_t{3} << 30) + 77;
  REQUIRE(builder->write(0, bytes_of(head)));
  REQUIRE(builder->write(8192, bytes_of(std::string(3 << 20, '\0'))));
  REQUIRE(builder->write(kTailAt, bytes_of(tail)));
  REQUIRE(builder->add_file("sparse", std::uint64_t{4} << 30, {}));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  const Ext4Reader reader(folder.path() / "root.ext4");
  const auto inode = reader.inode("sparse");
  CHECK(inode.i_blocks == 3 * 8);  // two blocks of the head, one of the tail, in sectors
  CHECK((inode.i_size | static_cast<std::uint64_t>(inode.i_size_high) << 32) == std::uint64_t{4} << 30);
  ext2_file_t file = nullptr;
  REQUIRE(ext2fs_file_open(reader.fs(), reader.inode_number("sparse"), 0, &file) == 0);
  std::string got(tail.size() + 2, '?');
  unsigned count = 0;
  REQUIRE(ext2fs_file_llseek(file, kTailAt - 1, EXT2_SEEK_SET, nullptr) == 0);
  REQUIRE(ext2fs_file_read(file, got.data(), static_cast<unsigned>(got.size()), &count) == 0);
  ext2fs_file_close(file);
  CHECK(got == std::string(1, '\0') + tail + std::string(1, '\0'));
}

TEST_CASE("Data that go back, or beyond the file's size, are refused") {
  const TempFolder folder;
  auto builder = make(folder);
  REQUIRE(builder->write(100, bytes_of("abc")));
  CHECK(builder->write(50, bytes_of("abc")).error().code == ErrorCode::kOutOfRange);
  CHECK(builder->add_file("f", 102, {}).error().code == ErrorCode::kOutOfRange);
  CHECK(builder->write(~std::uint64_t{0} - 1, bytes_of("abc")).error().code == ErrorCode::kOutOfRange);
}

TEST_CASE("A file with more pieces than an inode holds keeps them all") {
  const TempFolder folder;
  auto builder = make(folder);
  constexpr int kPieces = 2000;
  for (int i = 0; i < kPieces; ++i) {
    REQUIRE(builder->write(static_cast<std::uint64_t>(i) * 8192, bytes_of(fmt::format("{:06}", i))));
  }
  REQUIRE(builder->add_file("pieces", kPieces * 8192, {}));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  const std::string data = Ext4Reader(folder.path() / "root.ext4").contents("pieces");
  for (int i = 0; i < kPieces; ++i) {
    REQUIRE(data.substr(static_cast<std::size_t>(i) * 8192, 7) == fmt::format("{:06}", i) + '\0');
  }
}

TEST_CASE("A folder with tens of thousands of long names is a clean hash tree") {
  const TempFolder folder;
  auto builder = make(folder, 1024);
  constexpr int kFiles = 24000;  // more leaves than the root of the tree can point to
  const std::string filling(80, 'n');
  for (int i = 0; i < kFiles; ++i)
    REQUIRE(builder->add_symlink(fmt::format("big/{}{}", filling, i), "x", {}));
  for (int i = 0; i < 500; ++i) REQUIRE(builder->add_symlink(fmt::format("middle/{}", i), "x", {}));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  const Ext4Reader reader(folder.path() / "root.ext4");
  CHECK((reader.inode("big").i_flags & EXT2_INDEX_FL) != 0);
  CHECK((reader.inode("middle").i_flags & EXT2_INDEX_FL) != 0);
  CHECK((reader.inode("/").i_flags & EXT2_INDEX_FL) == 0);
  auto names = reader.names("big");
  std::sort(names.begin(), names.end());
  CHECK(names.size() == kFiles);
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("Attributes of all namespaces are kept, in the inode and beside it") {
  const TempFolder folder;
  auto builder = make(folder);
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  REQUIRE(add_file(*builder, "ping", "x", {.mode = 0755, .xattrs = {{"security.capability", capability}}}));
  REQUIRE(add_file(*builder, "many", "x",
                   {.xattrs = {{"user.long", std::string(1500, 'l')}, {"trusted.t", "1"}}}));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  const Ext4Reader reader(folder.path() / "root.ext4");
  CHECK(reader.xattr("ping", "security.capability") == capability);
  CHECK(reader.xattr("many", "user.long") == std::string(1500, 'l'));
  CHECK(reader.xattr("many", "trusted.t") == "1");
}

TEST_CASE("Attributes that ext4 cannot hold are refused") {
  const TempFolder folder;
  auto builder = make(folder);
  REQUIRE(add_file(*builder, "f", "x", {.xattrs = {{"user.huge", std::string(60000, 'l')}}}));
  CHECK(builder->finish().error().code == ErrorCode::kOutOfRange);
}

TEST_CASE("What was replaced or removed gives its blocks back") {
  const TempFolder folder;
  auto builder = make(folder);
  const std::string half(std::size_t{20} << 20, 'z');  // three of them would not fit
  for (int i = 0; i < 6; ++i) REQUIRE(add_file(*builder, "same", half));
  for (int i = 0; i < 6; ++i) {
    REQUIRE(add_file(*builder, "tree/deep/file", half));
    const auto removed = builder->remove("tree");
    REQUIRE(removed);
    CHECK(*removed);
  }
  CHECK_FALSE(*builder->remove("tree"));
  REQUIRE(builder->finish());
  CHECK(is_clean(folder.path() / "root.ext4"));
  const Ext4Reader reader(folder.path() / "root.ext4");
  CHECK(reader.contents("same") == half);
  CHECK_FALSE(reader.exists("tree"));
}

TEST_CASE("Contents larger than the disk are refused with the cure") {
  const TempFolder folder;
  auto builder = make(folder);
  const std::string mib(1 << 20, 'm');
  Result<void> written;
  for (std::uint64_t i = 0; i < 2 * kSmallMib && written; ++i)
    written = builder->write(i << 20, bytes_of(mib));
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::kOutOfRange);
  CHECK(written.error().hint.find("--disk_mb") != std::string::npos);
}

TEST_CASE("More files than inodes are refused") {
  const TempFolder folder;
  auto builder = make(folder);
  for (int i = 0; i < 4200; ++i) REQUIRE(builder->add_symlink(fmt::format("d{}/{}", i % 50, i), "x", {}));
  CHECK(builder->finish().error().code == ErrorCode::kOutOfRange);
}

TEST_CASE("Paths that leave the root, go through links or are absurd are refused") {
  const TempFolder folder;
  auto builder = make(folder);
  REQUIRE(builder->add_symlink("link", "/etc", {}));
  REQUIRE(add_file(*builder, "file", "x"));
  const std::string deep = [] {
    std::string path;
    for (int i = 0; i < 1500; ++i) path += "d/";
    return path;
  }();
  for (const std::string& path :
       {std::string("../x"), std::string("a/../../x"), std::string("link/x"), std::string("file/x"),
        std::string(300, 'n'), std::string(5000, '/') + "x", deep, std::string("nul\0byte", 8)}) {
    INFO(path.substr(0, 40));
    const auto added = builder->add_symlink(path, "x", {});
    REQUIRE_FALSE(added);
    CHECK(added.error().code == ErrorCode::kOutOfRange);
  }
  CHECK_FALSE(builder->add_symlink("/", "x", {}));
  CHECK_FALSE(builder->add_hard_link("h", "missing"));
  CHECK_FALSE(builder->add_hard_link("h", "/"));
  CHECK_FALSE(builder->remove("."));
}

TEST_CASE("A file system is never made over an existing file, nor of a size nobody asked for") {
  const TempFolder folder;
  REQUIRE(make(folder)->finish());
  CHECK_FALSE(Ext4Builder::create(folder.path() / "root.ext4", {.size_mib = kSmallMib}));
  CHECK(Ext4Builder::create(folder.path() / "b", {.size_mib = 1}).error().code == ErrorCode::kOutOfRange);
  CHECK(Ext4Builder::create(folder.path() / "b", {.size_mib = 1 << 20}).error().code ==
        ErrorCode::kOutOfRange);
}
