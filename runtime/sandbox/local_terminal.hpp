// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

#include <memory>
#include <optional>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl {

// The terminal that the user sits at, on descriptor 0, while its keys go to a sandbox. Destroying it gives it
// back as it was found, whatever happened meanwhile.
//
// While it lives, SIGWINCH and SIGCONT are blocked in this thread and come out of a descriptor; SIGTTOU is
// blocked, so that giving the terminal back from the background does not stop us. One thread; one at a time.
class LocalTerminal {
 public:
  // kFailure when descriptor 0 is not a terminal.
  static Result<std::unique_ptr<LocalTerminal>> open();
  ~LocalTerminal();
  LocalTerminal(const LocalTerminal&) = delete;
  LocalTerminal& operator=(const LocalTerminal&) = delete;

  // From here on every key is a byte for the sandbox, and every byte from there is shown as it is.
  Result<void> enter_raw();

  // Readable when the size may have changed.
  [[nodiscard]] int changes() const { return changes_.get(); }
  // To be called then. The size, when it has changed since the last call or open(). After we were stopped and
  // continued the terminal is in raw mode again.
  std::optional<guest::TerminalSize> take_change();
  [[nodiscard]] guest::TerminalSize size() const { return size_; }

 private:
  LocalTerminal() = default;

  termios found_{};
  std::optional<termios> raw_;
  sigset_t mask_found_{};
  UniqueFd changes_;
  guest::TerminalSize size_;
};

// Of the terminal on the first of the descriptors 0, 1 and 2 that is one; 24 by 80 without any, or where it
// does not know.
guest::TerminalSize local_terminal_size();

}  // namespace tl
