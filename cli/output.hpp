// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace tl::cli {

// Text on its way to stdout or stderr: collected, and written in as few calls as possible. A reader that has
// gone away (EPIPE) is no error: what is left is dropped quietly. SIGPIPE is ignored by main. Does not own
// the descriptor.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { static_cast<void>(flush()); }

  void write(std::string_view text);
  void line(std::string_view text);
  // The first error since the beginning, "write output: No space left on device".
  Result<void> flush();
  // False when what is written from now on reaches nobody.
  [[nodiscard]] bool open() const { return state_ == State::kOpen; }

 private:
  enum class State { kOpen, kReaderGone, kFailed };

  int fd_;
  std::string pending_;
  State state_ = State::kOpen;
  Error error_;
};

}  // namespace tl::cli
