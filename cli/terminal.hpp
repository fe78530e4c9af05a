// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/output.hpp"

namespace tl::cli {

// What there is at the other end of stdout or stderr.
struct Terminal {
  enum class Kind { kNone, kPlain, kColour };
  Kind kind = Kind::kNone;

  // A terminal has colour unless NO_COLOR is set and not empty (https://no-color.org) or TERM is "dumb" or
  // missing.
  static Terminal of(int fd);

  [[nodiscard]] bool is_terminal() const { return kind != Kind::kNone; }
  // `text` in bold, red …, or as it is where there is no colour.
  [[nodiscard]] std::string bold(std::string_view text) const;
  [[nodiscard]] std::string red(std::string_view text) const;
  [[nodiscard]] std::string green(std::string_view text) const;
  [[nodiscard]] std::string yellow(std::string_view text) const;
};

// One line on a terminal that says what is being done and is wiped away when it is done. Silent elsewhere.
class ProgressLine {
 public:
  ProgressLine(Output& output, Terminal terminal) : output_(output), terminal_(terminal) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { wipe(); }

  void show(std::string_view text);
  void wipe();

 private:
  Output& output_;
  Terminal terminal_;
  bool shown_ = false;
};

}  // namespace tl::cli
