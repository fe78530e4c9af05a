// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include "common/io.hpp"
#include "runtime/guest/agent/configure.hpp"
#include "runtime/guest/agent/connect.hpp"
#include "runtime/guest/initramfs.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::guest;

namespace {

std::string contents(const FilePart& part) {
  std::string bytes(part.bytes, '\0');
  REQUIRE(pread_exact(part.file.get(), std::as_writable_bytes(std::span(bytes)), part.offset));
  return bytes;
}

}  // namespace

TEST_CASE("the initramfs has the agent as /init, and is the same wherever it is read") {
  const std::string_view packed(reinterpret_cast<const char*>(initramfs().data()), initramfs().size());
  REQUIRE(packed.size() > 100'000);
  CHECK(packed.size() < 2'500'000);
  CHECK(packed.starts_with("070701"));  // cpio newc
  CHECK(packed.find("init\0", 0, 5) != std::string_view::npos);
  CHECK(packed.find("\x7F"
                    "ELF") != std::string_view::npos);
  CHECK(packed.find("TRAILER!!!") != std::string_view::npos);

  const auto embedded = initramfs_in_program();
  REQUIRE(embedded);
  CHECK(embedded->offset % 4096 == 0);
  CHECK(contents(*embedded) == packed);
  const auto file = initramfs_file();
  REQUIRE(file);
  CHECK(file->offset == 0);
  CHECK(contents(*file) == packed);
}

TEST_CASE("the host name is added to the hosts file once") {
  CHECK(with_host("", "web") == "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\tweb\n");
  CHECK(with_host("127.0.0.1 localhost", "web") == "127.0.0.1 localhost\n127.0.1.1\tweb\n");
  const std::string has = "# hosts\n10.0.0.1 a web b\n";
  CHECK(with_host(has, "web") == has);
  CHECK(with_host("10.0.0.1 a # web\n", "web") == "10.0.0.1 a # web\n127.0.1.1\tweb\n");
  CHECK(with_host("127.0.1.1 old\nx y\n", "web") == "x y\n127.0.1.1\tweb\n");
}

TEST_CASE("the port of a connection is read from its path, or refused") {
  CHECK(port_of("/v1/connect/1") == 1);
  CHECK(port_of("/v1/connect/65535") == 65535);
  for (const char* path :
       {"/v1/connect/", "/v1/connect/0", "/v1/connect/080", "/v1/connect/65536", "/v1/connect/-1",
        "/v1/connect/+1", "/v1/connect/80/", "/v1/connect/ 80", "/v1/connect", "/v1/exec"}) {
    INFO(path);
    CHECK_FALSE(port_of(path));
  }
}
