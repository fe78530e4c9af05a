// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::monitor {

// Tells when an open file has lost its last name, inotify(7): somebody has removed it. One io_context thread.
class RemovalWatch {
 public:
  // `file` stays open for as long as the watch is there.
  static Result<RemovalWatch> create(const asio::any_io_executor& executor, int file);

  // Returns when the file has no name any more, or cannot be watched any longer: the result says which.
  asio::awaitable<Result<void>> wait();

 private:
  RemovalWatch(const asio::any_io_executor& executor, int file, UniqueFd changes)
      : file_(file), changes_(executor, changes.release()) {}

  int file_;
  asio::posix::stream_descriptor changes_;
};

}  // namespace tl::monitor
