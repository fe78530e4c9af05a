// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>

#include "common/readiness.hpp"
#include "common/result.hpp"

namespace tl {

// Where what a program inside prints goes: to a descriptor, or into a string, of which only the first
// kMaxText bytes are kept.
struct ExecSink {
  static constexpr std::size_t kMaxText = 4096;
  int fd = -1;
  std::string* text = nullptr;
};

// Puts it there: writes whole buffers, waits without blocking the thread. Owns neither descriptor nor string,
// and leaves the descriptor's flags alone.
class ExecOutput {
 public:
  static Result<ExecOutput> create(const asio::any_io_executor& executor, const ExecSink& sink);

  // False when nobody reads any more.
  asio::awaitable<Result<bool>> write(std::span<const std::byte> bytes);

 private:
  ExecOutput(int fd, Readiness readiness, std::size_t piece)
      : fd_(fd), readiness_(std::move(readiness)), piece_(piece) {}
  explicit ExecOutput(std::string* text) : text_(text) {}

  int fd_ = -1;
  std::optional<Readiness> readiness_;  // of the descriptor
  std::size_t piece_ = 0;               // the most that is written at a time
  std::string* text_ = nullptr;
};

}  // namespace tl
