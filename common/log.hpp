// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace tl {

// Lines with a UTC time stamp, one write(2) each, so that lines of several threads or processes never mix.
// Passed by reference to whoever logs; does not own the descriptor; any thread. Failures to write are
// ignored.
class Log {
 public:
  enum class Level { kInfo, kDebug };

  explicit Log(int fd, Level level = Level::kInfo) : fd_(fd), level_(level) {}

  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    line(fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    if (level_ == Level::kDebug) line(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  void line(std::string_view text) const;
  int fd_;
  Level level_;
};

}  // namespace tl
