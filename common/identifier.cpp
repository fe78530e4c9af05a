// SPDX-License-Identifier: Apache-2.0
#include "common/identifier.hpp"

#include <algorithm>

namespace tl {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_base36(char c) {
  return is_lower(c) || (c >= '0' && c <= '9');
}

}  // namespace

bool is_id(std::string_view text) {
  return text.size() == kIdLength && std::all_of(text.begin(), text.end(), is_base36);
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameLength && is_lower(text.front()) && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_base36(c) || c == '-'; }) &&
         !is_id(text);
}

}  // namespace tl
