// SPDX-License-Identifier: Apache-2.0
#include "cli/resolve.hpp"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "cli/did_you_mean.hpp"
#include "cli/exit_code.hpp"

namespace tl::cli {
namespace {

using Words = std::vector<std::string>;

bool is_flag(const std::string& word) {
  return word.size() > 1 && word.front() == '-';
}

const Flag* find_flag(const Command& command, const std::vector<Flag>& globals, std::string_view name) {
  for (const auto* flags : {&command.flags, &globals}) {
    for (const auto& flag : *flags) {
      if (std::find(flag.names.begin(), flag.names.end(), name) != flag.names.end()) return &flag;
    }
  }
  return nullptr;
}

// True when the value of the flag is the next word: "--cpus 2", "-c 2", "-ic 2"; not "--cpus=2", "-c2".
bool takes_next_word(const Command& command, const std::vector<Flag>& globals, const std::string& word) {
  if (word.starts_with("--")) {
    if (word.find('=') != std::string::npos) return false;
    const Flag* flag = find_flag(command, globals, word);
    return flag != nullptr && !flag->value.empty();
  }
  for (std::size_t i = 1; i < word.size(); ++i) {
    const Flag* flag = find_flag(command, globals, std::string("-") + word[i]);
    if (flag == nullptr) return false;  // the parser says what is wrong with it
    if (!flag->value.empty()) return i + 1 == word.size();
  }
  return false;
}

Words names_of(const Command& command) {
  Words names{command.name};
  names.insert(names.end(), command.aliases.begin(), command.aliases.end());
  return names;
}

struct Candidates {
  const Command* exact = nullptr;
  std::vector<const Command*> by_prefix;
};

Candidates candidates(const Command& group, const std::string& word) {
  Candidates found;
  for (const auto& command : group.subcommands) {
    const Words names = names_of(command);
    if (std::find(names.begin(), names.end(), word) != names.end()) found.exact = &command;
    const bool prefixed = std::any_of(names.begin(), names.end(),
                                      [&word](const std::string& name) { return name.starts_with(word); });
    if (prefixed && !word.empty() && command.shown == Command::Shown::kYes)
      found.by_prefix.push_back(&command);
  }
  return found;
}

Refusal unknown_command(const Resolved& so_far, const std::string& word) {
  Words known;
  for (const auto& command : so_far.command().subcommands) {
    if (command.shown == Command::Shown::kNo) continue;
    for (auto& name : names_of(command)) known.push_back(std::move(name));
  }
  const std::string near = nearest(word, known);
  const std::string hint = near.empty() ? fmt::format("see '{} --help'", so_far.full_name())
                                        : fmt::format("did you mean '{} {}'?", so_far.full_name(), near);
  return Refusal{kUsage, fmt::format("unknown command '{} {}'", so_far.full_name(), word), hint};
}

Refusal ambiguous(const Resolved& so_far, const std::string& word, const Candidates& found) {
  std::string names;
  for (const auto* command : found.by_prefix) names += (names.empty() ? "" : ", ") + command->name;
  return Refusal{kUsage, fmt::format("'{} {}' is ambiguous: {}", so_far.full_name(), word, names), {}};
}

// Takes flags, with their values, from `words` at `at` over to `resolved`, up to the first word that is none.
void take_flags(Resolved& resolved, const std::vector<Flag>& globals, const Words& words, std::size_t& at) {
  while (at < words.size() && is_flag(words[at]) && words[at] != "--") {
    const bool with_next = takes_next_word(resolved.command(), globals, words[at]);
    resolved.words.push_back(words[at++]);
    if (with_next && at < words.size()) resolved.words.push_back(words[at++]);
  }
}

// The words of a command with a tail; see the header.
void split_tail(Resolved& resolved, const std::vector<Flag>& globals, const Words& words, std::size_t at) {
  std::size_t operands_left = resolved.command().operands.size();
  bool flags_ended = false;
  while (at < words.size()) {
    if (!flags_ended) take_flags(resolved, globals, words, at);
    if (at == words.size()) break;
    if (!flags_ended && words[at] == "--") {
      flags_ended = true;
      resolved.words.push_back(words[at++]);
      continue;
    }
    if (operands_left == 0) break;
    resolved.words.push_back(words[at++]);
    --operands_left;
  }
  resolved.tail.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
}

// "--cpus=2" as "--cpus" and "2": CLI11 takes "--cpus=" for a flag whose value is missing, not for one whose
// value is empty.
Words with_separate_values(const Command& command, const std::vector<Flag>& globals, const Words& words) {
  Words result;
  std::size_t at = 0;
  while (at < words.size() && words[at] != "--") {
    const std::string& word = words[at++];
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const Flag* flag =
        equals == std::string::npos ? nullptr : find_flag(command, globals, word.substr(0, equals));
    if (flag != nullptr && !flag->value.empty()) {
      result.push_back(word.substr(0, equals));
      result.push_back(word.substr(equals + 1));
      continue;
    }
    result.push_back(word);
    const bool with_next = is_flag(word) && takes_next_word(command, globals, word);
    if (with_next && at < words.size()) result.push_back(words[at++]);
  }
  result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  return result;
}

}  // namespace

std::string Resolved::full_name() const {
  std::string name;
  for (const auto* command : path) name += (name.empty() ? "" : " ") + command->name;
  return name;
}

std::variant<Resolved, Refusal> resolve(const Command& root, const std::vector<Flag>& globals,
                                        const std::vector<std::string>& words) {
  Resolved resolved;
  resolved.path.push_back(&root);
  std::size_t at = 0;
  while (!resolved.command().subcommands.empty()) {
    take_flags(resolved, globals, words, at);
    if (at == words.size()) break;
    const Candidates found = candidates(resolved.command(), words[at]);
    if (found.exact == nullptr && resolved.command().call) break;
    if (found.exact == nullptr && found.by_prefix.size() > 1) return ambiguous(resolved, words[at], found);
    if (found.exact == nullptr && found.by_prefix.empty()) return unknown_command(resolved, words[at]);
    resolved.path.push_back(found.exact != nullptr ? found.exact : found.by_prefix.front());
    ++at;
  }
  if (resolved.command().tail.name.empty()) {
    resolved.words.insert(resolved.words.end(), words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  } else {
    split_tail(resolved, globals, words, at);
  }
  resolved.words = with_separate_values(resolved.command(), globals, resolved.words);
  return resolved;
}

}  // namespace tl::cli
