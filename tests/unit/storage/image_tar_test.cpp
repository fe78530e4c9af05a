// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <fmt/format.h>

#include "runtime/storage/ext4_acl.hpp"
#include "runtime/storage/tar_import.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::test;

namespace {

// Imports into a fresh small file system, which is finished and checked when the import went well.
struct Import {
  TempFolder folder;
  Result<TarSummary> result = Error{};

  explicit Import(const std::string& tar, std::uint64_t size_mib = 64) {
    auto builder = Ext4Builder::create(image(), {.size_mib = size_mib});
    REQUIRE(builder);
    result = add_tar(**builder, source_of(tar));
    if (!result) {
      UNSCOPED_INFO(result.error().message);
      return;
    }
    REQUIRE((*builder)->finish());
    CHECK(is_clean(image()));
  }
  [[nodiscard]] std::filesystem::path image() const { return folder.path() / "root.ext4"; }
};

void expect_refused(const std::string& tar, const std::string& words) {
  const Import import(tar);
  REQUIRE_FALSE(import.result);
  CHECK(import.result.error().code == ErrorCode::kOutOfRange);
  INFO(import.result.error().message);
  CHECK(import.result.error().message.find(words) != std::string::npos);
}

std::string noise(std::size_t size) {
  std::string data(size, '\0');
  std::uint32_t state = 1;
  for (char& c : data) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return data;
}

}  // namespace

TEST_CASE("A tar comes out as it went in, whatever it is compressed with") {
  for (const auto filter :
       {TarMaker::Filter::kNone, TarMaker::Filter::kGzip, TarMaker::Filter::kXz, TarMaker::Filter::kZstd}) {
    TarMaker tar(filter);
    tar.folder("./");
    tar.folder("./usr/bin");
    tar.file("./usr/bin/tool", noise(300000));
    tar.symlink("./bin", "usr/bin");
    tar.hard_link("./usr/bin/other", "./usr/bin/tool");
    const Import import(tar.finish());
    REQUIRE(import.result);
    CHECK(import.result->entries == 5);
    CHECK(import.result->data_bytes == 300000);
    const Ext4Reader reader(import.image());
    CHECK(reader.contents("usr/bin/tool") == noise(300000));
    CHECK(reader.contents("bin") == "usr/bin");
    CHECK(reader.inode_number("usr/bin/other") == reader.inode_number("usr/bin/tool"));
    CHECK(reader.inode("usr/bin").i_mtime == 1'700'000'000);
  }
}

TEST_CASE("Owners, modes, nanoseconds, devices and attributes come through") {
  TarMaker tar;
  auto* entry = tar.entry("f", AE_IFREG);
  archive_entry_set_perm(entry, 04755);
  archive_entry_set_uid(entry, 123456);
  archive_entry_set_gid(entry, 654321);
  archive_entry_set_mtime(entry, 1'600'000'000, 987654321);
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  archive_entry_xattr_add_entry(entry, "security.capability", capability.data(), capability.size());
  archive_entry_xattr_add_entry(entry, "com.example.other-system", "x", 1);
  tar.write("data");
  entry = tar.entry("null", AE_IFCHR);
  archive_entry_set_rdevmajor(entry, 1);
  archive_entry_set_rdevminor(entry, 3);
  tar.write();
  tar.entry("fifo", AE_IFIFO);
  tar.write();
  const Import import(tar.finish());
  REQUIRE(import.result);
  const Ext4Reader reader(import.image());
  const auto inode = reader.inode("f");
  CHECK(inode.i_mode == (S_IFREG | 04755));
  CHECK((inode.i_uid | inode.osd2.linux2.l_i_uid_high << 16) == 123456);
  CHECK((inode.i_gid | inode.osd2.linux2.l_i_gid_high << 16) == 654321);
  CHECK(inode.i_mtime_extra >> 2 == 987654321);
  CHECK(reader.xattr("f", "security.capability") == capability);
  CHECK(reader.inode("null").i_block[0] == (1U << 8 | 3U));
  CHECK(LINUX_S_ISFIFO(reader.inode("fifo").i_mode));
}

TEST_CASE("POSIX ACLs become what the kernel reads") {
  TarMaker tar;
  auto* entry = tar.entry("f", AE_IFREG);
  constexpr int kAccess = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
  archive_entry_acl_add_entry(entry, kAccess, 6, ARCHIVE_ENTRY_ACL_USER_OBJ, -1, "");
  archive_entry_acl_add_entry(entry, kAccess, 4, ARCHIVE_ENTRY_ACL_USER, 1000, "");
  archive_entry_acl_add_entry(entry, kAccess, 4, ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1, "");
  archive_entry_acl_add_entry(entry, kAccess, 4, ARCHIVE_ENTRY_ACL_MASK, -1, "");
  archive_entry_acl_add_entry(entry, kAccess, 0, ARCHIVE_ENTRY_ACL_OTHER, -1, "");
  tar.write("x");
  const Import import(tar.finish());
  REQUIRE(import.result);
  const std::string acl =
      kernel_acl(Ext4Reader(import.image()).xattr("f", "system.posix_acl_access")).value_or("");
  REQUIRE(acl.size() == 4 + 5 * 8);
  CHECK(acl.substr(0, 4) == std::string("\2\0\0\0", 4));
  CHECK(acl.substr(12, 8) == std::string("\2\0\4\0\xe8\3\0\0", 8));  // user 1000 may read
}

TEST_CASE("Names keep their bytes, long or not in any character set") {
  const std::string utf8 =
      "gr\xc3\xb6\xc3\x9f"
      "e";
  const std::string latin1 =
      "gr\xf6\xdf"
      "e";
  const std::string longest = std::string(200, 'a') + "/" + std::string(255, 'b');
  for (const int format : {ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FORMAT_TAR_GNUTAR}) {
    TarMaker tar(TarMaker::Filter::kNone, format);
    for (const auto& name : {utf8, latin1, longest}) tar.file(name, name);
    tar.symlink("link", utf8);
    const Import import(tar.finish());
    REQUIRE(import.result);
    const Ext4Reader reader(import.image());
    for (const auto& name : {utf8, latin1, longest}) CHECK(reader.contents(name) == name);
    CHECK(reader.contents("link") == utf8);
  }
}

TEST_CASE("A sparse file stays sparse") {
  TarMaker tar;
  auto* entry = tar.entry("sparse", AE_IFREG);
  archive_entry_set_size(entry, 1 << 30);
  archive_entry_sparse_add_entry(entry, 512 << 20, 4096);
  REQUIRE(archive_entry_sparse_count(entry) == 1);
  tar.write(std::string(1000, '\0'));  // only the extent is taken from what is written
  const std::string bytes = tar.finish();
  CHECK(bytes.size() < 1 << 20);
  const Import import(bytes);
  REQUIRE(import.result);
  const auto inode = Ext4Reader(import.image()).inode("sparse");
  CHECK(inode.i_size == 1U << 30);
  CHECK(inode.i_blocks <= 8);
}

TEST_CASE("The later of two entries wins, and a folder met again keeps what is in it") {
  TarMaker tar;
  tar.file("a", "first");
  tar.file("a", "second");
  tar.folder("d");
  tar.file("d/inside", "kept");
  archive_entry_set_perm(tar.entry("d", AE_IFDIR), 0700);
  tar.write();
  tar.file("was-folder/inside", "gone");
  tar.file("was-folder", "file");
  tar.file("was-file", "x");
  tar.folder("was-file");
  tar.symlink("was-link", "/");
  tar.folder("was-link");
  tar.file("was-link/inside", "in the folder");
  const Import import(tar.finish());
  REQUIRE(import.result);
  const Ext4Reader reader(import.image());
  CHECK(reader.contents("a") == "second");
  CHECK(reader.contents("d/inside") == "kept");
  CHECK(reader.inode("d").i_mode == (S_IFDIR | 0700));
  CHECK(reader.contents("was-folder") == "file");
  CHECK(LINUX_S_ISDIR(reader.inode("was-file").i_mode));
  CHECK(reader.contents("was-link/inside") == "in the folder");
}

TEST_CASE("Missing parents are made, and a leading slash is the image's root") {
  TarMaker tar;
  tar.file("/opt/x/y", "z");
  const Import import(tar.finish());
  REQUIRE(import.result);
  const Ext4Reader reader(import.image());
  CHECK(reader.contents("opt/x/y") == "z");
  CHECK(reader.inode("opt/x").i_mode == (S_IFDIR | 0755));
}

TEST_CASE("Archives that try to get out are refused") {
  const auto refused = [](const std::string& words, auto fill) {
    TarMaker tar;
    fill(tar);
    expect_refused(tar.finish(), words);
  };
  refused("..", [](TarMaker& tar) { tar.file("../etc/passwd", "x"); });
  refused("..", [](TarMaker& tar) { tar.file("a/../../x", "x"); });
  refused("symbolic link", [](TarMaker& tar) {
    tar.symlink("out", "/etc");
    tar.file("out/passwd", "x");
  });
  refused("symbolic link", [](TarMaker& tar) {
    tar.symlink("out", "/etc");
    tar.hard_link("mine", "out/passwd");
  });
  refused("..", [](TarMaker& tar) { tar.hard_link("mine", "../../etc/passwd"); });
  refused("not there", [](TarMaker& tar) { tar.hard_link("mine", "etc/passwd"); });
  refused("root", [](TarMaker& tar) { tar.symlink("./", "/etc"); });
  refused("not a directory", [](TarMaker& tar) {
    tar.file("f", "x");
    tar.file("f/g", "x");
  });
}

TEST_CASE("An archive that is cut off anywhere is refused") {
  TarMaker maker;
  maker.file("a", noise(3000));
  maker.file("b", noise(700));
  const std::string tar = maker.finish();
  // Up to where the end mark is whole for libarchive: its first block of zeroes.
  std::size_t end = tar.find_last_not_of('\0');
  end = (end + 511) / 512 * 512;
  for (std::size_t cut = 0; cut < end; cut += 256) {
    INFO(cut);
    const Import import(tar.substr(0, cut));
    REQUIRE_FALSE(import.result);
    CHECK(import.result.error().code == ErrorCode::kOutOfRange);
  }
  CHECK(Import(tar).result);

  TarMaker compressed(TarMaker::Filter::kGzip);
  compressed.file("a", noise(100000));
  const std::string gzip = compressed.finish();
  for (const std::size_t cut : {gzip.size() / 3, gzip.size() / 2, gzip.size() - 100}) {
    INFO(cut << " of " << gzip.size());
    CHECK_FALSE(Import(gzip.substr(0, cut)).result);
  }
}

TEST_CASE("Flipped bits are refused or imported, and never make a broken file system") {
  TarMaker maker;
  maker.folder("d");
  maker.file("d/a", noise(3000));
  maker.symlink("d/l", "a");
  maker.hard_link("h", "d/a");
  const std::string tar = maker.finish();
  for (std::size_t at = 0; at < 8000 && at < tar.size(); at += 97) {
    std::string bad = tar;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    const TempFolder folder;
    auto builder = Ext4Builder::create(folder.path() / "root.ext4", {.size_mib = 64});
    REQUIRE(builder);
    const auto result = add_tar(**builder, source_of(bad));
    if (result) REQUIRE((*builder)->finish());
  }
}

TEST_CASE("A small archive that unpacks to more than the disk is refused, be it zeroes") {
  for (const char fill : {'\0', 'x'}) {
    TarMaker tar(TarMaker::Filter::kZstd);
    tar.file("bomb", std::string(std::size_t{80} << 20, fill));
    const Import import(tar.finish());
    REQUIRE_FALSE(import.result);
    CHECK(import.result.error().code == ErrorCode::kOutOfRange);
    CHECK(import.result.error().hint.find("--disk_mb") != std::string::npos);
  }
}

TEST_CASE("Something that is no tar is refused") {
  expect_refused("", "");
  expect_refused("hello, I am a text file\n", "");
  expect_refused(noise(100000), "");
}

TEST_CASE("The source's own error is the one reported, and a good source is read to its end") {
  TarMaker maker;
  maker.file("a", noise(100000));
  const std::string tar = maker.finish();
  const TempFolder folder;
  auto builder = Ext4Builder::create(folder.path() / "root.ext4", {.size_mib = 64});
  REQUIRE(builder);
  const ByteSource broken = [](std::span<std::byte>) -> Result<std::size_t> {
    return Error{ErrorCode::kHostLacks, "the cable is out", "plug it in"};
  };
  const auto failed = add_tar(**builder, broken);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kHostLacks);
  CHECK(failed.error().message == "the cable is out");

  const std::string padded = tar + std::string(1 << 20, '\0');
  bool ended = false;
  ByteSource plain = source_of(padded);
  const ByteSource watched = [&](std::span<std::byte> into) {
    auto count = plain(into);
    ended = *count == 0;
    return count;
  };
  auto second = Ext4Builder::create(folder.path() / "second.ext4", {.size_mib = 64});
  REQUIRE(second);
  REQUIRE(add_tar(**second, watched));
  CHECK(ended);
}
