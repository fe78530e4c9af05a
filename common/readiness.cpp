// SPDX-License-Identifier: Apache-2.0
#include "common/readiness.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "common/unique_fd.hpp"

namespace tl {

Result<Readiness> Readiness::create(const asio::any_io_executor& executor, int fd, For what) {
  Readiness readiness(fd, what);
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return errno_error("epoll_create1");
  epoll_event event{};
  event.events = what == For::kReading ? EPOLLIN : EPOLLOUT;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    if (errno != EPERM) return errno_error("epoll_ctl");
    return readiness;
  }
  readiness.epoll_.emplace(executor, epoll.release());
  return readiness;
}

bool Readiness::ready_now() const {
  pollfd look{fd_, static_cast<short>(for_ == For::kReading ? POLLIN : POLLOUT), 0};
  return ::poll(&look, 1, 0) != 0;
}

asio::awaitable<void> Readiness::wait() {
  while (epoll_ && !ready_now()) {
    asio::error_code failed;
    co_await epoll_->async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
  }
}

}  // namespace tl
