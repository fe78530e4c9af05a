// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/heredocs.hpp"

#include <algorithm>
#include <optional>

#include "runtime/build/substitution.hpp"
#include "runtime/build/text.hpp"

namespace tl::build {
namespace {

std::optional<HeredocName> parse_name(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of("0123456789"), word.size()));
  if (!word.starts_with("<<")) return std::nullopt;
  word.remove_prefix(2);
  HeredocName found;
  if (word.starts_with('-')) {
    found.tabs = HeredocName::Tabs::kStripped;
    word.remove_prefix(1);
  }
  if (word.size() > 2 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front())
    word = word.substr(1, word.size() - 2);
  if (!is_variable_name(word)) return std::nullopt;
  found.name = word;
  return found;
}

}  // namespace

std::vector<HeredocName> find_heredocs(std::string_view text, char escape) {
  std::vector<HeredocName> names;
  for (const std::string& word : split_words(text, escape)) {
    if (auto name = parse_name(word)) names.push_back(*std::move(name));
  }
  return names;
}

}  // namespace tl::build
