// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_name.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tl::storage {
namespace {

constexpr std::size_t kMaxBytes = 128;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_punctuation(char c) {
  return c == '.' || c == '_' || c == '-';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

bool is_valid_repository(std::string_view text) {
  if (text.empty() || !is_lower_or_digit(text.front()) || text.back() == '/') return false;
  if (text.find("//") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower_or_digit(c) || is_punctuation(c) || c == '/'; });
}

bool is_valid_tag(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower_or_digit(c) || is_punctuation(c) || is_upper(c);
  });
}

bool is_valid(std::string_view name) {
  if (name.size() > kMaxBytes) return false;
  const std::size_t colon = name.find(':');
  if (!is_valid_repository(name.substr(0, colon))) return false;
  return colon == std::string_view::npos || is_valid_tag(name.substr(colon + 1));
}

}  // namespace

Result<void> check_image_name(std::string_view name) {
  if (is_valid(name)) return {};
  return Error{
      ErrorCode::kOutOfRange, fmt::format("image name \"{}\" is not valid", name.substr(0, kMaxBytes)),
      "a name has lower-case letters, digits and . _ - /, begins with a letter or digit, may end with "
      ":TAG, and has at most 128 characters"};
}

std::string image_name_to_file(std::string_view name) {
  std::string file(name);
  std::replace(file.begin(), file.end(), '/', '+');
  return file;
}

std::optional<std::string> image_name_from_file(std::string_view file) {
  std::string name(file);
  std::replace(name.begin(), name.end(), '+', '/');
  if (!is_valid(name)) return std::nullopt;
  return name;
}

}  // namespace tl::storage
