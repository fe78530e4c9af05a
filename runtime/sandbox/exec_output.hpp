// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <asio/awaitable.hpp>

#include "common/readiness.hpp"
#include "common/result.hpp"

namespace tl {

// Where a command's output goes, descriptor 1 or 2 of this process: writes whole buffers, waits without
// blocking the thread. Does not own the descriptor, and leaves its flags alone.
class ExecOutput {
 public:
  static Result<ExecOutput> create(const asio::any_io_executor& executor, int fd);

  // False when nobody reads any more.
  asio::awaitable<Result<bool>> write(std::span<const std::byte> bytes);

 private:
  ExecOutput(int fd, Readiness readiness, std::size_t piece)
      : fd_(fd), readiness_(std::move(readiness)), piece_(piece) {}

  int fd_;
  Readiness readiness_;
  std::size_t piece_;  // the most that is written at a time
};

}  // namespace tl
