// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/users.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::guest;

namespace {

struct Fixture {
  Fixture() { REQUIRE(::mkdtemp(folder.data()) != nullptr); }
  ~Fixture() { std::filesystem::remove_all(folder); }
  void write(const char* name, const std::string& text) const { std::ofstream(folder + "/" + name) << text; }

  std::string folder = "/tmp/tl-users-test-XXXXXX";
};

}  // namespace

TEST_CASE_METHOD(Fixture, "users and their groups are read from the root disk's files") {
  write("passwd",
        "root:x:0:0:root:/root:/bin/bash\nbroken line\ntl-user:x:1000:1000::/home/tl-user:\nx:y:z\n");
  write("group", "root:x:0:\nsudo:x:27:tl-user\nvideo:x:44:a,tl-user\ntl-user:x:1000:\nother:x:99:a\n");
  UserTable users(folder);
  const auto user = users.find("tl-user");
  REQUIRE(user);
  CHECK(user->uid == 1000);
  CHECK(user->gid == 1000);
  CHECK(user->groups == std::vector<gid_t>{27, 44, 1000});
  CHECK(user->home == "/home/tl-user");
  CHECK(user->shell == "/bin/sh");
  const auto by_number = users.find("1000");
  REQUIRE(by_number);
  CHECK(by_number->name == "tl-user");
  CHECK(by_number->groups.size() == 3);
  const auto with_group = users.find("1000:44");
  REQUIRE(with_group);
  CHECK(with_group->gid == 44);
  CHECK(with_group->groups == std::vector<gid_t>{44});
  const auto root = users.find("");
  REQUIRE(root);
  CHECK(root->home == "/root");
  CHECK(root->shell == "/bin/bash");
}

TEST_CASE_METHOD(Fixture, "a group by its name goes with a user by name or number, as images have it") {
  write("passwd", "app:x:7:8::/srv:/bin/sh\n");
  write("group", "app:x:8:\nwww:x:33:app\n");
  UserTable users(folder);
  for (const char* who : {"app:www", "7:www", "app:33", "7:33"}) {
    const auto user = users.find(who);
    REQUIRE(user);
    CHECK(user->uid == 7);
    CHECK(user->gid == 33);
    CHECK(user->groups == std::vector<gid_t>{33});
    CHECK(user->home == "/srv");
  }
  CHECK(users.find("app:nobodys").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(users.find("app:"));
}

TEST_CASE_METHOD(Fixture, "numbers work in an image without users") {
  UserTable users(folder);
  const auto user = users.find("1234:99");
  REQUIRE(user);
  CHECK(user->uid == 1234);
  CHECK(user->gid == 99);
  CHECK(user->name.empty());
  CHECK(user->home == "/");
  CHECK(users.find("")->name == "root");
  CHECK(users.find("root").error().code == ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Fixture, "what is no user and group is refused") {
  UserTable users(folder);
  for (const char* wrong :
       {"0:", "0:x", "a:b", ":", ":0", "4294967295", "99999999999999999999", "0:4294967295", "0:0:0"}) {
    CHECK_FALSE(users.find(wrong));
  }
}

TEST_CASE_METHOD(Fixture, "a user who is added later is found") {
  write("passwd", "a:x:1:1::/:/bin/sh\n");
  UserTable users(folder);
  CHECK_FALSE(users.find("b"));
  write("passwd", "a:x:1:1::/:/bin/sh\nb:x:2:2::/:/bin/sh\n");
  CHECK(users.find("b"));
}
