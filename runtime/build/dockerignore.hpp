// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::build {

// What a .dockerignore leaves out of a context. One pattern a line, of a path below the context: the parts
// as in glob.hpp, "**" for any number of parts, "!" before what is not left out after all; "#" begins a
// comment. What is in a folder that is left out is left out too. The last pattern that fits decides.
class DockerIgnore {
 public:
  static constexpr std::size_t kMaxFile = 1024 * 1024;
  static constexpr std::size_t kMaxPatterns = 2048;
  static constexpr std::size_t kMaxPattern = 4096;

  DockerIgnore() = default;  // leaves nothing out
  // kOutOfRange when it exceeds the bounds.
  static Result<DockerIgnore> parse(std::string_view text);

  // The path is relative to the context and has neither "." nor "..".
  [[nodiscard]] bool leaves_out(std::string_view path) const;
  // Whether something in a folder that is left out may not be.
  [[nodiscard]] bool has_exceptions() const { return has_exceptions_; }

 private:
  struct Pattern {
    std::vector<std::string> parts;
    enum class Kind { kLeaveOut, kTakeIn } kind = Kind::kLeaveOut;
  };
  std::vector<Pattern> patterns_;
  bool has_exceptions_ = false;
};

}  // namespace tl::build
