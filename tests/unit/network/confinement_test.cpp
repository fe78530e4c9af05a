// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/confinement.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::network;

namespace {

// The errno with which `attempt`, which returns -1 for a failure, fails in a process that is confined; 0: it
// does not. The child does nothing but system calls, and ends by one: _exit(3) is more where there is a
// sanitizer.
int confined(const std::function<long()>& attempt) {
  constexpr int kNotConfined = 255;
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const int code = !confine() ? kNotConfined : attempt() == -1 ? errno : 0;
    ::syscall(SYS_exit_group, code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) != kNotConfined);
  return WEXITSTATUS(status);
}

bool has_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

}  // namespace

TEST_CASE("a confined network has the sockets that it needs") {
  CHECK(confined([] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }) == 0);
  CHECK(confined([] { return ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0); }) == 0);
  for (const int family : {AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK})
    CHECK(confined([&] { return ::socket(family, SOCK_DGRAM, 0); }) == EPERM);
}

TEST_CASE("a confined network reads the resolvers' addresses, and writes nothing") {
  CHECK(confined([] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC); }) == 0);
  if (::access("/etc/resolv.conf", R_OK) == 0)
    CHECK(confined([] { return ::open("/etc/resolv.conf", O_RDONLY); }) == 0);
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC})
    CHECK(confined([&] { return ::open("/tmp/tl-confinement-test", flags, 0600); }) == EPERM);
  CHECK(confined([] { return ::unlink("/tmp/tl-confinement-test"); }) == EPERM);
  if (!has_landlock()) {
    WARN("skipped: this kernel has no Landlock");
    return;
  }
  CHECK(confined([] { return ::open("/proc/self/maps", O_RDONLY); }) == EACCES);
  CHECK(confined([] { return ::open("/usr/bin/env", O_RDONLY); }) == EACCES);
}

TEST_CASE("a confined network starts nothing, and does nothing to others") {
  char* const words[] = {nullptr};
  CHECK(confined([&] { return ::execve("/bin/true", words, words); }) == EPERM);
  CHECK(confined([] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }) == EPERM);
  CHECK(confined([] { return ::kill(::getppid(), 0); }) == EPERM);
  CHECK(confined([] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); }) == EPERM);
  CHECK(confined([] { return ::syscall(SYS_tgkill, ::getpid(), ::getpid(), 0); }) == 0);
  CHECK(confined([] { return ::syscall(SYS_ptrace, 16, ::getpid(), 0, 0); }) == EPERM);
}

TEST_CASE("a confined network's memory does not become code") {
  const auto map = [](int protection) {
    return [protection]() -> long {
      const void* const mapped = ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return mapped == MAP_FAILED ? -1 : 0;
    };
  };
  CHECK(confined(map(PROT_READ | PROT_WRITE)) == 0);
  CHECK(confined(map(PROT_READ | PROT_EXEC)) == EPERM);
}
