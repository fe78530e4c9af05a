// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/life_lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

UniqueFd open_folder(const std::filesystem::path& path) {
  auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY | O_DIRECTORY);
  REQUIRE(fd);
  return *std::move(fd);
}

TEST_CASE("a life lock is held by one only and free when its holder is gone") {
  TempFolder temp;
  const UniqueFd folder = open_folder(temp.path());
  CHECK_FALSE(LifeLock::is_held(folder.get(), "."));
  {
    const auto lock = LifeLock::take(folder.get());
    REQUIRE(lock);
    CHECK(LifeLock::is_held(folder.get(), "."));
    CHECK(LifeLock::take(folder.get()).error().code == ErrorCode::kConflict);
    CHECK((::fcntl(lock->fd(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK_FALSE(LifeLock::is_held(folder.get(), "."));
  CHECK(LifeLock::take(folder.get()));
}

TEST_CASE("a life lock passes from creator to monitor without a gap and ends with the monitor") {
  TempFolder temp;
  const UniqueFd folder = open_folder(temp.path());
  auto lock = LifeLock::take(folder.get());
  REQUIRE(lock);
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t monitor = ::fork();
  if (monitor == 0) {
    const auto adopted = LifeLock::adopt(folder.get(), std::move(*lock).release());
    const char outcome = adopted ? '+' : '-';
    [[maybe_unused]] const ssize_t n = ::write(ready[1], &outcome, 1);
    for (;;) ::pause();
  }
  char outcome = 0;
  REQUIRE(::read(ready[0], &outcome, 1) == 1);
  CHECK(outcome == '+');
  std::move(*lock).release().reset();
  CHECK(LifeLock::is_held(folder.get(), "."));
  ::kill(monitor, SIGKILL);
  ::waitpid(monitor, nullptr, 0);
  CHECK_FALSE(LifeLock::is_held(folder.get(), "."));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("only the very life lock, held, can be adopted") {
  TempFolder temp;
  std::filesystem::create_directory(temp.path() / "other");
  const UniqueFd folder = open_folder(temp.path());
  const UniqueFd other = open_folder(temp.path() / "other");
  auto foreign = LifeLock::take(other.get());
  REQUIRE(foreign);
  CHECK_FALSE(LifeLock::adopt(folder.get(), std::move(*foreign).release()));
  REQUIRE(LifeLock::take(folder.get()));
  auto not_held = open_at(folder.get(), "alive", O_RDWR);
  REQUIRE(not_held);
  const auto adopted = LifeLock::adopt(folder.get(), *std::move(not_held));
  CHECK_FALSE(adopted);
  CHECK_FALSE(LifeLock::adopt(folder.get(), UniqueFd()));
}

TEST_CASE("somebody who only looks does not keep the life lock from its taker") {
  TempFolder temp;
  const UniqueFd folder = open_folder(temp.path());
  REQUIRE(LifeLock::take(folder.get()));
  const pid_t looker = ::fork();
  if (looker == 0) {
    for (;;) [[maybe_unused]] const bool held = LifeLock::is_held(folder.get(), ".");
  }
  int failures = 0;
  for (int i = 0; i < 2000; ++i) {
    if (!LifeLock::take(folder.get())) ++failures;
  }
  ::kill(looker, SIGKILL);
  ::waitpid(looker, nullptr, 0);
  CHECK(failures == 0);
}

}  // namespace
}  // namespace tl::registry
