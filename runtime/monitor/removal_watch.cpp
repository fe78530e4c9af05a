// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/removal_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>

#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace tl::monitor {

// A file that is open is not deleted when its name is. But the number of its names is an attribute.
Result<RemovalWatch> RemovalWatch::create(const asio::any_io_executor& executor, int file) {
  UniqueFd changes(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!changes) return errno_error("inotify_init1");
  if (::inotify_add_watch(changes.get(), fmt::format("/proc/self/fd/{}", file).c_str(), IN_ATTRIB) < 0)
    return errno_error("inotify_add_watch");
  return RemovalWatch(executor, file, std::move(changes));
}

asio::awaitable<Result<void>> RemovalWatch::wait() {
  for (;;) {
    struct stat now {};
    if (::fstat(file_, &now) != 0) co_return errno_error("fstat");
    if (now.st_nlink == 0) co_return Result<void>();
    std::array<char, 4096> events;
    asio::error_code failed;
    co_await changes_.async_read_some(asio::buffer(events),
                                      asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return Error{ErrorCode::kFailure, "inotify: " + failed.message(), ""};
  }
}

}  // namespace tl::monitor
