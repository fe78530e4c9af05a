// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/ext4_samples.hpp"

#include <span>

#include <fmt/format.h>

#include "tests/support/catch.hpp"

namespace tl::storage::test {

std::string sample_acl() {
  using namespace std::string_literals;
  constexpr const char* kNobody = "\xff\xff\xff\xff";
  return "\2\0\0\0"s + "\1\0\6\0"s + kNobody + "\2\0\6\0\xe8\3\0\0"s + "\4\0\0\0"s + kNobody + "\x10\0\6\0"s +
         kNobody + "\x20\0\0\0"s + kNobody;
}

Result<void> add_file(Ext4Builder& builder, const std::string& path, const std::string& data,
                      Ext4Attributes attributes) {
  if (auto written = builder.write(0, std::as_bytes(std::span(data))); !written) return written;
  return builder.add_file(path, data.size(), std::move(attributes));
}

void make_sample(const std::filesystem::path& path) {
  auto made = Ext4Builder::create(path, {.size_mib = kSampleMib});
  REQUIRE(made);
  Ext4Builder& builder = **made;
  const Ext4Attributes odd{
      .mode = 06751,
      .uid = 70000,
      .gid = 4'000'000'000U,
      .mtime_seconds = 5'000'000'000,
      .mtime_nanoseconds = 123456789,
      .xattrs = {{"user.colour", "red"}, {"security.capability", std::string(20, '\1')}}};
  REQUIRE(add_file(builder, "file", "hello", odd));
  REQUIRE(add_file(builder, "empty", ""));
  REQUIRE(builder.add_hard_link("deep/same", "file"));
  REQUIRE(builder.add_directory("sticky", {.mode = 01777, .mtime_seconds = -1}));
  REQUIRE(
      builder.add_directory("heirs", {.mode = 0755, .xattrs = {{"system.posix_acl_default", sample_acl()}}}));
  REQUIRE(builder.add_symlink("fast", "somewhere", {.mode = 0777}));
  REQUIRE(builder.add_symlink("slow", std::string(3000, 'x'), {.mode = 0777}));
  REQUIRE(builder.add_special("null", {Ext4Special::Kind::kCharDevice, 1, 3}, {.mode = 0666}));
  REQUIRE(builder.add_special("disk", {Ext4Special::Kind::kBlockDevice, 259, 70000}, {}));
  REQUIRE(builder.add_special("fifo", {Ext4Special::Kind::kFifo}, {}));
  REQUIRE(builder.add_special("socket", {Ext4Special::Kind::kSocket}, {}));
  REQUIRE(add_file(builder, "acl", "for some",
                   {.mode = 0660, .xattrs = {{"system.posix_acl_access", sample_acl()}}}));
  const std::string data(5000, 'd');
  REQUIRE(builder.write(1 << 20, std::as_bytes(std::span(data))));
  REQUIRE(builder.write(3 << 20, std::as_bytes(std::span(data))));
  REQUIRE(builder.add_file("sparse", 100 << 20, {}));
  REQUIRE(add_file(builder, "big", std::string(3'000'000, 'b')));
  for (int i = 0; i < 2000; ++i)
    REQUIRE(add_file(builder, fmt::format("many/file with a long name {:04}", i), "x"));
  REQUIRE(add_file(builder, "etc/hostname", "tl-sbx\n"));
  REQUIRE(add_file(builder, "etc/passwd", "root:x:0:0::/:/bin/sh\n"));
  REQUIRE(builder.finish());
}

}  // namespace tl::storage::test
