// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::monitor {

// Work on this process's memory as it is now, by a child process that has it copy-on-write: a guest whose
// memory is ours stands still for the fork only, and not until all of it is written.
//
// The child has no threads but the one that forked and shares our descriptors: the work may allocate and use
// files of its own, and nothing of ours that another thread may hold. It ends with us.
class ForkedWriter {
 public:
  static Result<ForkedWriter> start(const std::function<Result<void>()>& work);
  ForkedWriter(ForkedWriter&& other) noexcept;
  ForkedWriter& operator=(ForkedWriter&&) = delete;
  // Ends the child.
  ~ForkedWriter();

  // Waits for the work's end and says how it went. Once.
  asio::awaitable<Result<void>> finish(asio::any_io_executor executor);

 private:
  ForkedWriter(pid_t child, UniqueFd report) : child_(child), report_(std::move(report)) {}
  pid_t child_;
  UniqueFd report_;  // until its end: nothing, or the error's code and message
};

}  // namespace tl::monitor
