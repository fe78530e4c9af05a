// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <unistd.h>

#include <cstdlib>

namespace tl::cli {
namespace {

std::string in_colour(Terminal terminal, std::string_view code, std::string_view text) {
  if (terminal.kind != Terminal::Kind::kColour) return std::string(text);
  std::string painted = "\033[";
  return painted.append(code).append("m").append(text).append("\033[0m");
}

}  // namespace

Terminal Terminal::of(int fd) {
  if (::isatty(fd) != 1) return {Kind::kNone};
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool plain = (no_color != nullptr && *no_color != '\0') || term == nullptr || *term == '\0' ||
                     std::string_view(term) == "dumb";
  return {plain ? Kind::kPlain : Kind::kColour};
}

std::string Terminal::bold(std::string_view text) const {
  return in_colour(*this, "1", text);
}
std::string Terminal::red(std::string_view text) const {
  return in_colour(*this, "1;31", text);
}
std::string Terminal::green(std::string_view text) const {
  return in_colour(*this, "32", text);
}
std::string Terminal::yellow(std::string_view text) const {
  return in_colour(*this, "33", text);
}

void ProgressLine::show(std::string_view text) {
  if (!terminal_.is_terminal()) return;
  wipe();
  output_.write(text);
  output_.write("...");
  static_cast<void>(output_.flush());
  shown_ = true;
}

void ProgressLine::wipe() {
  if (!shown_) return;
  output_.write("\r\033[K");
  static_cast<void>(output_.flush());
  shown_ = false;
}

}  // namespace tl::cli
