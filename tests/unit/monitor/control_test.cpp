// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/control.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "common/io.hpp"
#include "common/random.hpp"
#include "tests/support/catch.hpp"

namespace tl::monitor {
namespace {

TEST_CASE("a status survives its JSON form") {
  LiveStatus status{123456789, 42, 3, 17};
  status.ports = {{80, 8080}, {65535, 1}};
  const auto back = status_from_json(to_json(status));
  REQUIRE(back.has_value());
  CHECK(back->memory_used_bytes == 123456789);
  CHECK(back->disk_used_bytes == 42);
  CHECK(back->layers == 3);
  CHECK(back->timeout_left_secs == 17);
  CHECK(back->ports == status.ports);
  CHECK(!status_from_json(to_json(LiveStatus{}))->timeout_left_secs);
}

TEST_CASE("a status that is not one is refused") {
  for (const char* text :
       {"", "{}", "[]", "{\"layers\":1}", "{\"memory_used_bytes\":-1,\"disk_used_bytes\":0,\"layers\":0}",
        "{\"memory_used_bytes\":\"1\",\"disk_used_bytes\":0,\"layers\":0}", "nonsense"}) {
    CHECK(!status_from_json(text).has_value());
  }
  for (const std::string ports :
       {"1", "[1]", "[[80]]", "[[80, 0]]", "[[65536, 1]]", "[[80, -1]]", "{\"a\": 1}"}) {
    INFO(ports);
    CHECK(
        !status_from_json(R"({"memory_used_bytes":1,"disk_used_bytes":0,"layers":0,"ports":)" + ports + "}"));
  }
}

TEST_CASE("a launch report carries the error with its code and hint") {
  CHECK(!report_from_json(to_json(LaunchReport{}))->error);
  const auto back = report_from_json(
      to_json(LaunchReport{Error{ErrorCode::kHostLacks, "no QEMU \xff here", "install it"}}));
  REQUIRE(back.has_value());
  REQUIRE(back->error.has_value());
  CHECK(back->error->code == ErrorCode::kHostLacks);
  CHECK(back->error->message.starts_with("no QEMU"));
  CHECK(back->error->hint == "install it");
}

TEST_CASE("whoever adopted the control socket is the peer of those who connect") {
  const auto folder = std::filesystem::temp_directory_path() / ("tl-control-" + random_base36(8));
  std::filesystem::create_directories(folder);
  const auto dir = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  REQUIRE(dir.has_value());
  const auto listener = listen_control(dir->get());
  REQUIRE(listener.has_value());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool adopted = adopt_control(listener->get()).has_value();
    ::pause();
    ::_exit(adopted ? 0 : 1);
  }
  REQUIRE(child > 0);
  ucred peer{};
  for (int tenth = 0; tenth < 600 && peer.pid != child; ++tenth) {
    const auto connection = connect_control(dir->get());
    REQUIRE(connection.has_value());
    socklen_t length = sizeof peer;
    REQUIRE(::getsockopt(connection->get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0);
    if (peer.pid != child) ::usleep(100'000);
  }
  CHECK(peer.pid == child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::filesystem::remove_all(folder);
}

TEST_CASE("the control socket works in a folder whose path is longer than a socket address") {
  const auto root = std::filesystem::temp_directory_path() / ("tl-control-" + random_base36(8));
  const auto folder = root / std::string(200, 'x');
  std::filesystem::create_directories(folder);
  const auto dir = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  REQUIRE(dir.has_value());
  CHECK(!connect_control(dir->get()).has_value());
  {
    const auto listener = listen_control(dir->get());
    REQUIRE(listener.has_value());
    CHECK(connect_control(dir->get()).has_value());
    const auto mode = std::filesystem::status(folder / kControlSocket).permissions();
    CHECK((mode & std::filesystem::perms::all) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  }
  // A socket that a dead monitor left behind is in nobody's way.
  CHECK(listen_control(dir->get()).has_value());
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace tl::monitor
