// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include "common/io.hpp"
#include "runtime/guest/agent/configure.hpp"
#include "runtime/guest/initramfs.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::guest;

TEST_CASE("the initramfs holds the agent as /init, the same bytes every time") {
  const auto first = make_initramfs();
  REQUIRE(first);
  const auto second = make_initramfs();
  REQUIRE(second);
  const auto bytes = read_to_end(first->get(), 64 * 1024 * 1024);
  REQUIRE(bytes);
  CHECK(*bytes == read_to_end(second->get(), 64 * 1024 * 1024).value());
  CHECK(bytes->starts_with("070701"));  // cpio newc
  CHECK(bytes->find("TRAILER!!!") != std::string::npos);
  const auto image = agent_image();
  REQUIRE(image.size() > 100'000);
  const std::string_view agent(reinterpret_cast<const char*>(image.data()), image.size());
  CHECK(
      agent.starts_with("\x7F"
                        "ELF"));
  CHECK(bytes->find(agent) != std::string::npos);
  CHECK(image.size() < 2'500'000);
}

TEST_CASE("the host name is added to the hosts file once") {
  CHECK(with_host("", "web") == "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\tweb\n");
  CHECK(with_host("127.0.0.1 localhost", "web") == "127.0.0.1 localhost\n127.0.1.1\tweb\n");
  const std::string has = "# hosts\n10.0.0.1 a web b\n";
  CHECK(with_host(has, "web") == has);
  CHECK(with_host("10.0.0.1 a # web\n", "web") == "10.0.0.1 a # web\n127.0.1.1\tweb\n");
  CHECK(with_host("127.0.1.1 old\nx y\n", "web") == "x y\n127.0.1.1\tweb\n");
}
