// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <csignal>
#include <memory>
#include <optional>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::cli {

// While it lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end this process but are passed on through a
// pipe, one byte each: the signal's number. That is the form in which the runtime takes them. The handlers
// found are put back afterwards.
//
// A signal handler can reach nothing but a global, so there is one of these at a time.
class SignalRelay {
 public:
  static Result<std::unique_ptr<SignalRelay>> start();
  SignalRelay(const SignalRelay&) = delete;
  SignalRelay& operator=(const SignalRelay&) = delete;
  ~SignalRelay();

  // The reading end; for the runtime.
  [[nodiscard]] int fd() const { return reading_.get(); }
  // The last signal that came, whether or not somebody has read it from the pipe.
  [[nodiscard]] static std::optional<int> received();

 private:
  static constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

  SignalRelay() = default;

  UniqueFd reading_;
  UniqueFd writing_;
  std::array<struct sigaction, kSignals.size()> found_{};
};

}  // namespace tl::cli
