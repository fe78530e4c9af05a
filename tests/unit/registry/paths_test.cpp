// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/paths.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

// The three variables that decide, put back in the end.
class Environment {
 public:
  Environment() {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      saved_.emplace_back(value != nullptr ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
  }
  ~Environment() {
    for (std::size_t i = 0; i < saved_.size(); ++i) set(kNames[i], saved_[i]);
  }
  static void set(const char* name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name, value->c_str(), 1);
    } else {
      ::unsetenv(name);
    }
  }

 private:
  static constexpr const char* kNames[] = {"TL_HOME", "XDG_STATE_HOME", "HOME"};
  std::vector<std::optional<std::string>> saved_;
};

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

void check_refused(const Result<StateFolder>& opened, const fs::path& path, const std::string& why) {
  REQUIRE_FALSE(opened);
  INFO(opened.error().message);
  CHECK(opened.error().message.find(path.string()) != std::string::npos);
  CHECK(opened.error().message.find(why) != std::string::npos);
  CHECK(opened.error().hint.find("--home") != std::string::npos);
  CHECK(opened.error().hint.find("TL_HOME") != std::string::npos);
}

TEST_CASE("the state folder is the argument, else TL_HOME, else XDG_STATE_HOME, else in the home") {
  Environment environment;
  CHECK_FALSE(StateFolder::locate(""));
  Environment::set("HOME", "/h");
  CHECK(*StateFolder::locate("") == "/h/.local/state/tl");
  Environment::set("XDG_STATE_HOME", "relative");
  CHECK(*StateFolder::locate("") == "/h/.local/state/tl");
  Environment::set("XDG_STATE_HOME", "/x");
  CHECK(*StateFolder::locate("") == "/x/tl");
  Environment::set("TL_HOME", "/t/");
  CHECK(*StateFolder::locate("") == "/t");
  CHECK(*StateFolder::locate("/a/../b") == "/b");
  CHECK(*StateFolder::locate("here") == fs::current_path() / "here");
}

TEST_CASE("a missing state folder is made with its parents, for nobody else to see") {
  TempFolder temp;
  const fs::path home = temp.path() / "a" / "b" / "tl";
  const mode_t old_umask = ::umask(0);
  const auto folder = StateFolder::open(home.string());
  ::umask(old_umask);
  REQUIRE(folder);
  CHECK(mode_of(home) == 0700);
  CHECK(mode_of(home.parent_path()) == 0700);
  CHECK(read_text(home / "schema") == "{\"schema\":\"1.0\"}\n");
  REQUIRE(folder->make_folder("work/x"));
  CHECK(mode_of(home / "work") == 0700);
  CHECK(mode_of(home / "work" / "x") == 0700);
  const auto file = folder->open_file("work/x/f", O_RDWR | O_CREAT);
  REQUIRE(file);
  CHECK(mode_of(home / "work/x/f") == 0600);
  CHECK((::fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("no symbolic link leads out of the state folder") {
  TempFolder temp;
  const auto folder = StateFolder::open(temp.state().string());
  REQUIRE(folder);
  fs::create_symlink("/etc/passwd", temp.state() / "link");
  CHECK_FALSE(folder->open_file("link", O_RDONLY));
}

TEST_CASE("a state folder that is no folder is refused") {
  TempFolder temp;
  write_text(temp.path() / "file", "x");
  check_refused(StateFolder::open((temp.path() / "file").string()), temp.path() / "file", "Not a directory");
  check_refused(StateFolder::open((temp.path() / "file/tl").string()), temp.path() / "file/tl",
                "Not a directory");
}

TEST_CASE("a state folder that others may write to is refused, an empty one is closed to them") {
  TempFolder temp;
  fs::create_directory(temp.state());
  fs::permissions(temp.state(), fs::perms::all);
  REQUIRE(StateFolder::open(temp.state().string()));
  CHECK(mode_of(temp.state()) == 0700);
  fs::permissions(temp.state(), fs::perms::all);
  check_refused(StateFolder::open(temp.state().string()), temp.state(), "other users may write");
}

TEST_CASE("a state folder without permission is refused") {
  TempFolder temp;
  fs::create_directory(temp.state());
  if (::geteuid() == 0) {
    fs::permissions(temp.path(), fs::perms::all);
    fs::permissions(temp.state(), fs::perms::owner_all);
    CHECK(in_child([&] {
            if (::setresuid(kNobody, kNobody, kNobody) != 0) return 2;
            const auto opened = StateFolder::open(temp.state().string());
            if (opened || opened.error().message.find("Permission denied") == std::string::npos) return 3;
            return opened.error().hint.find("TL_HOME") != std::string::npos ? 0 : 4;
          }) == 0);
    return;
  }
  fs::permissions(temp.state(), fs::perms::none);
  check_refused(StateFolder::open(temp.state().string()), temp.state(), "Permission denied");
  fs::permissions(temp.state(), fs::perms::owner_all);
}

TEST_CASE("somebody else's state folder is refused") {
  if (::geteuid() != 0) return;  // only root can make one
  TempFolder temp;
  fs::create_directory(temp.state());
  REQUIRE(::chown(temp.state().c_str(), kNobody, kNobody) == 0);
  check_refused(StateFolder::open(temp.state().string()), temp.state(), "belongs to user 65534");
}

TEST_CASE("a state folder that cannot be written to is refused") {
  TempFolder temp;
  fs::create_directory(temp.state());
  fs::permissions(temp.state(), fs::perms::owner_read | fs::perms::owner_exec);
  if (::geteuid() == 0) {
    fs::permissions(temp.path(), fs::perms::all);
    REQUIRE(::chown(temp.state().c_str(), kNobody, kNobody) == 0);
    CHECK(in_child([&] {
            if (::setresuid(kNobody, kNobody, kNobody) != 0) return 2;
            return StateFolder::open(temp.state().string()) ? 3 : 0;
          }) == 0);
    return;
  }
  check_refused(StateFolder::open(temp.state().string()), temp.state(), "Permission denied");
}

TEST_CASE("a state folder from the future is refused, one with a damaged version is mended") {
  TempFolder temp;
  REQUIRE(StateFolder::open(temp.state().string()));
  write_text(temp.state() / "schema", "{\"schema\":\"2.0\",\"more\":[]}");
  const auto newer = StateFolder::open(temp.state().string());
  REQUIRE_FALSE(newer);
  CHECK(newer.error().message.find("newer tl (schema 2.0, this one knows 1.0)") != std::string::npos);
  write_text(temp.state() / "schema", "{\"schema\":\"1.7\",\"more\":[]}");
  CHECK(StateFolder::open(temp.state().string()));
  CHECK(read_text(temp.state() / "schema") == "{\"schema\":\"1.7\",\"more\":[]}");
  for (const char* damaged : {"", "{", "[]", "{\"schema\":1}", "{\"schema\":\"x\"}"}) {
    write_text(temp.state() / "schema", damaged);
    CHECK(StateFolder::open(temp.state().string()));
    CHECK(read_text(temp.state() / "schema") == "{\"schema\":\"1.0\"}\n");
  }
}

}  // namespace
}  // namespace tl::registry
