// SPDX-License-Identifier: Apache-2.0
#include "common/event_fd.hpp"

#include <fcntl.h>
#include <poll.h>

#include "tests/support/catch.hpp"

namespace tl {
namespace {

bool is_readable(const EventFd& event) {
  pollfd look{event.fd(), POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

}  // namespace

TEST_CASE("signals are counted and taken at once") {
  const auto event = EventFd::create();
  REQUIRE(event);
  CHECK_FALSE(is_readable(*event));
  CHECK(event->take() == 0);
  event->signal();
  event->signal();
  CHECK(is_readable(*event));
  CHECK(event->take() == 2);
  CHECK_FALSE(is_readable(*event));
}

TEST_CASE("an event is not inherited by programs we start") {
  const auto event = EventFd::create();
  REQUIRE(event);
  CHECK((::fcntl(event->fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

}  // namespace tl
