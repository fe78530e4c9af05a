// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/glob.hpp"

#include <optional>

namespace tl::build {
namespace {

// One character of a name against the beginning of a pattern that is not "*".
struct Step {
  bool fits;
  std::size_t length;  // of the pattern's part
};

std::optional<Step> match_set(std::string_view pattern, char c) {
  std::size_t at = 1;
  const bool inverse = at < pattern.size() && (pattern[at] == '^' || pattern[at] == '!');
  if (inverse) ++at;
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return Step{found != inverse, at + 1};
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at++]);
    unsigned char high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      high = static_cast<unsigned char>(pattern[at + 1]);
      at += 2;
    }
    const auto value = static_cast<unsigned char>(c);
    if (low <= value && value <= high) found = true;
  }
  return std::nullopt;
}

Step match_one(std::string_view pattern, char c) {
  if (pattern.front() == '?') return {true, 1};
  if (pattern.front() == '[') {
    if (const auto step = match_set(pattern, c)) return *step;
  }
  if (pattern.front() == '\\' && pattern.size() > 1) return {pattern[1] == c, 2};
  return {pattern.front() == c, 1};
}

}  // namespace

// A star is first tried empty; when what follows it does not fit, it takes one more. Only the last star is
// ever tried again, which is enough.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::optional<std::size_t> star;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
      continue;
    }
    if (p < pattern.size()) {
      const Step step = match_one(pattern.substr(p), name[n]);
      if (step.fits) {
        p += step.length;
        ++n;
        continue;
      }
    }
    if (!star) return false;
    p = *star + 1;
    n = ++star_name;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string> path_parts(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return parts;
}

std::string join_path(const std::vector<std::string>& parts) {
  std::string path;
  for (const auto& part : parts) path += (path.empty() ? "" : "/") + part;
  return path;
}

bool is_pattern(std::string_view part) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '\\') {
      ++i;
    } else if (part[i] == '*' || part[i] == '?' || part[i] == '[') {
      return true;
    }
  }
  return false;
}

}  // namespace tl::build
