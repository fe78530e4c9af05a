// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/catch.hpp"

namespace tl::guest::test {

// What looks like a mounted cgroup2, without a kernel behind it: the test says when a group has stopped.
// Removed with its contents in the end.
struct GroupFolder {
  GroupFolder() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    write("cgroup.procs", "");
  }
  ~GroupFolder() { std::filesystem::remove_all(folder); }
  GroupFolder(const GroupFolder&) = delete;
  GroupFolder& operator=(const GroupFolder&) = delete;

  // A group whose processes run, or have stopped before anybody asked.
  void add(const std::string& name, bool stands_still = false) {
    ::mkdir((folder + "/" + name).c_str(), 0755);
    write(name + "/cgroup.freeze", "0\n");
    stand_still(name, stands_still);
  }
  void stand_still(const std::string& name, bool still) {
    write(name + "/cgroup.events", still ? "populated 1\nfrozen 1\n" : "populated 1\nfrozen 0\n");
  }
  void remove(const std::string& name) { std::filesystem::remove_all(folder + "/" + name); }
  // Has it been told to stop?
  [[nodiscard]] bool told(const std::string& name) const {
    return read(name + "/cgroup.freeze").starts_with("1");
  }

  [[nodiscard]] std::string read(const std::string& file) const {
    std::ifstream stream(folder + "/" + file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(folder + "/" + file) << text;
  }

  std::string folder = "/tmp/tl-groups-test-XXXXXX";
};

}  // namespace tl::guest::test
