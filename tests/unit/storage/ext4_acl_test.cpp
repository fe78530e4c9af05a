// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_acl.hpp"

#include "tests/support/catch.hpp"

using tl::storage::kernel_acl;
using namespace std::string_literals;

TEST_CASE("An ACL of the disk has a number with each entry for the kernel") {
  const auto acl = kernel_acl("\1\0\0\0"s + "\1\0\6\0"s + "\2\0\4\0\xe8\3\0\0"s + "\x20\0\0\0"s);
  REQUIRE(acl);
  CHECK(*acl ==
        "\2\0\0\0"s + "\1\0\6\0\xff\xff\xff\xff"s + "\2\0\4\0\xe8\3\0\0"s + "\x20\0\0\0\xff\xff\xff\xff"s);
  CHECK(kernel_acl("\1\0\0\0"s) == "\2\0\0\0"s);
}

TEST_CASE("A damaged ACL of the disk is none") {
  const std::string whole = "\1\0\0\0"s + "\2\0\4\0\xe8\3\0\0"s;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    if (cut != 4) CHECK_FALSE(kernel_acl(whole.substr(0, cut)));
  }
  CHECK_FALSE(kernel_acl("\2\0\0\0"s));
  CHECK_FALSE(kernel_acl("\1\0\0\0"s + "\3\0\6\0"s));
  CHECK_FALSE(kernel_acl("\1\0\0\0"s + "\0\0\6\0"s));
  CHECK_FALSE(kernel_acl("\1\0\0\0"s + "\x40\0\6\0"s));
}
