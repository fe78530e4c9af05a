// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_tar.hpp"

#include <map>

#include "runtime/storage/ext4_acl.hpp"
#include "runtime/storage/tar_import.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/ext4_samples.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using tl::storage::test::TempFolder;

namespace {

bool nothing(const Ext4Met&) {
  return false;
}

Result<std::string> tar_of(const std::filesystem::path& path, const LongWork& work = {}) {
  auto reader = tl::storage::Ext4Reader::open(path);
  if (!reader) return reader.error();
  std::string tar;
  auto written = write_tar(
      **reader, nothing,
      [&tar](std::span<const std::byte> bytes) {
        tar.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return Result<void>();
      },
      work);
  if (!written) return written.error();
  return tar;
}

}  // namespace

TEST_CASE("A tar of a file system makes the same file system again") {
  TempFolder folder;
  test::make_sample(folder.path() / "a");
  const auto tar = tar_of(folder.path() / "a");
  REQUIRE(tar);
  auto builder = Ext4Builder::create(folder.path() / "b", {.size_mib = test::kSampleMib});
  REQUIRE(builder);
  REQUIRE(add_tar(**builder, test::source_of(*tar)));
  REQUIRE((*builder)->finish());
  CHECK(test::is_clean(folder.path() / "b"));
  const auto again = tar_of(folder.path() / "b");
  REQUIRE(again);
  CHECK(*tar == *again);
  const test::Ext4Reader copy(folder.path() / "b");
  CHECK(copy.contents("file") == "hello");
  CHECK(copy.inode_number("file") == copy.inode_number("deep/same"));
  CHECK(copy.xattr("file", "user.colour") == "red");
  CHECK(kernel_acl(copy.xattr("acl", "system.posix_acl_access")) == test::sample_acl());
  CHECK((copy.inode("acl").i_mode & 0777U) == 0660);
  CHECK(kernel_acl(copy.xattr("heirs", "system.posix_acl_default")) == test::sample_acl());
  CHECK(copy.contents("slow") == std::string(3000, 'x'));
  CHECK(copy.contents("big") == std::string(3'000'000, 'b'));
  CHECK(copy.inode("sparse").i_size == 100 << 20);
  CHECK_FALSE(copy.exists("socket"));
}

TEST_CASE("Holes take no space in a tar") {
  TempFolder folder;
  test::make_sample(folder.path() / "a");
  const auto tar = tar_of(folder.path() / "a");
  REQUIRE(tar);
  CHECK(tar->size() < 12 << 20);
}

TEST_CASE("An error of whoever takes a tar comes back as it is, and ends the work") {
  TempFolder folder;
  test::make_sample(folder.path() / "a");
  auto reader = tl::storage::Ext4Reader::open(folder.path() / "a");
  REQUIRE(reader);
  int calls = 0;
  const auto written = write_tar(**reader, nothing,
                                 [&calls](std::span<const std::byte>) {
                                   ++calls;
                                   return Result<void>(Error{ErrorCode::kHostLacks, "no space", "make some"});
                                 },
                                 {});
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::kHostLacks);
  CHECK(written.error().hint == "make some");
  CHECK(calls == 1);
}

TEST_CASE("A tar that is given up ends, and tells how far it came") {
  TempFolder folder;
  test::make_sample(folder.path() / "a");
  std::uint64_t moved = 0;
  const LongWork work{[&moved](std::uint64_t bytes) { moved = bytes; },
                      [&moved] { return moved >= 1'000'000; }};
  const auto tar = tar_of(folder.path() / "a", work);
  REQUIRE_FALSE(tar);
  CHECK(tar.error().message.find("interrupted") != std::string::npos);
  CHECK(moved >= 1'000'000);
  CHECK(moved < 3'000'000);
}
