// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/log.hpp"

namespace tl::machine {

// What QEMU prints: the beginning goes to the log line by line, and the newest is kept to explain its end.
// Bounded, whatever QEMU does. One thread.
class QemuMessages {
 public:
  void take(std::string_view bytes, const Log& log);
  [[nodiscard]] const std::string& newest() const { return newest_; }

 private:
  std::string newest_;
  std::string line_;  // the beginning of one that is not complete
  std::size_t logged_ = 0;
};

}  // namespace tl::machine
