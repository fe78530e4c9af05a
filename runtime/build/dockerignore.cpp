// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/dockerignore.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "runtime/build/glob.hpp"
#include "runtime/build/text.hpp"

namespace tl::build {
namespace {

constexpr std::string_view kAnyParts = "**";

// Whether the pattern means the path or a folder above it. `fits[i]`: the path's first i parts are meant by
// the pattern's parts so far.
bool means(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  std::vector<bool> fits(path.size() + 1, false);
  fits[0] = true;
  for (const std::string& part : pattern) {
    std::vector<bool> next(path.size() + 1, false);
    for (std::size_t i = 0; i <= path.size(); ++i) {
      if (part == kAnyParts) {
        next[i] = fits[i] || (i > 0 && next[i - 1]);
      } else if (i > 0) {
        next[i] = fits[i - 1] && matches(part, path[i - 1]);
      }
    }
    fits = std::move(next);
  }
  return std::find(fits.begin() + 1, fits.end(), true) != fits.end();
}

}  // namespace

Result<DockerIgnore> DockerIgnore::parse(std::string_view text) {
  if (text.size() > kMaxFile)
    return Error{ErrorCode::kOutOfRange, fmt::format("more than {} bytes", kMaxFile), ""};
  DockerIgnore ignore;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = trimmed(take_line(text));
    if (line.empty() || line.front() == '#') continue;
    if (line.size() > kMaxPattern || ignore.patterns_.size() == kMaxPatterns) {
      return Error{ErrorCode::kOutOfRange,
                   fmt::format("line {}: more than {} patterns, or one of more than {} bytes", number,
                               kMaxPatterns, kMaxPattern),
                   ""};
    }
    Pattern pattern;
    if (line.front() == '!') {
      pattern.kind = Pattern::Kind::kTakeIn;
      line.remove_prefix(1);
    }
    pattern.parts = path_parts(trimmed(line));
    if (pattern.parts.empty()) continue;
    if (pattern.kind == Pattern::Kind::kTakeIn) ignore.has_exceptions_ = true;
    ignore.patterns_.push_back(std::move(pattern));
  }
  return ignore;
}

bool DockerIgnore::leaves_out(std::string_view path) const {
  const auto parts = path_parts(path);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (means(pattern->parts, parts)) return pattern->kind == Pattern::Kind::kLeaveOut;
  }
  return false;
}

}  // namespace tl::build
