// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/control_groups.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/guest/group_folder.hpp"

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;

namespace {

struct Fixture {
  // Whether all have stopped; a failure fails the test.
  bool stop() { return groups.stop().value(); }

  GroupFolder folder;
  ControlGroups groups{folder.folder};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the group of commands is made, and made again") {
  CHECK(groups.entrance() == -1);
  REQUIRE(groups.make());
  CHECK(groups.entrance() > 2);
  folder.remove("tl");
  REQUIRE(groups.make());
  CHECK(groups.entrance() > 2);
  ControlGroups nowhere("/nonexistent");
  CHECK_FALSE(nowhere.make());
  CHECK(nowhere.entrance() == -1);
}

TEST_CASE_METHOD(Fixture, "every group below the root is told to stop and waited for") {
  folder.add("tl");
  folder.add("docker");
  CHECK_FALSE(stop());
  CHECK(folder.told("tl"));
  CHECK(folder.told("docker"));
  folder.stand_still("tl", true);
  CHECK_FALSE(stop());
  CHECK(groups.moving() == "docker");
  folder.stand_still("docker", true);
  CHECK(stop());
  CHECK(groups.moving().empty());
  REQUIRE(groups.resume());
  CHECK_FALSE(folder.told("tl"));
  CHECK_FALSE(folder.told("docker"));
}

TEST_CASE_METHOD(Fixture, "a group that appears meanwhile is stopped too") {
  folder.add("tl", true);
  CHECK_FALSE(stop());
  folder.add("late", true);
  CHECK_FALSE(stop());
  CHECK(folder.told("late"));
  CHECK(stop());
}

TEST_CASE_METHOD(Fixture, "a group that somebody else has frozen stays frozen") {
  folder.add("tl", true);
  folder.add("theirs", true);
  folder.write("theirs/cgroup.freeze", "1\n");
  CHECK_FALSE(stop());
  CHECK(stop());
  REQUIRE(groups.resume());
  CHECK_FALSE(folder.told("tl"));
  CHECK(folder.told("theirs"));
}

TEST_CASE_METHOD(Fixture, "a group that goes away holds nobody up") {
  folder.add("tl", true);
  folder.add("brief");
  CHECK_FALSE(stop());
  folder.remove("brief");
  CHECK(stop());
  CHECK(groups.resume());
}

TEST_CASE_METHOD(Fixture, "the agent leaves whatever group it was moved to before it stops the groups") {
  folder.add("tl", true);
  CHECK_FALSE(stop());
  CHECK(folder.read("cgroup.procs") == "0");
  ControlGroups nowhere("/nonexistent");
  CHECK_FALSE(nowhere.stop());
}

TEST_CASE_METHOD(Fixture, "kernel threads that somebody moved to a group are sent back to the root") {
  GroupFolder proc;
  for (const char* process : {"/40", "/41", "/42"}) std::filesystem::create_directory(proc.folder + process);
  for (const char* process : {"/40", "/42"}) {
    std::filesystem::create_symlink("/bin/sh", proc.folder + process + "/exe");
  }
  ControlGroups with_threads(folder.folder, proc.folder);
  folder.add("theirs");
  folder.write("theirs/cgroup.procs", "40\n41\n42\n43\n");  // 43 has just ended
  CHECK_FALSE(with_threads.stop().value());
  CHECK(folder.read("cgroup.procs") == "0");
  CHECK_FALSE(with_threads.stop().value());
  CHECK(folder.read("cgroup.procs") == "41");
  CHECK(folder.told("theirs"));
  folder.stand_still("theirs", true);
  CHECK(with_threads.stop().value());
}

TEST_CASE_METHOD(Fixture, "a command that is about to start finds its group running") {
  folder.add("tl");
  REQUIRE(groups.make());
  groups.keep_open();
  CHECK(folder.read("tl/cgroup.freeze") == "0\n");
  folder.write("tl/cgroup.freeze", "1\n");
  groups.keep_open();
  CHECK_FALSE(folder.told("tl"));
}
