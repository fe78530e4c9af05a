// SPDX-License-Identifier: Apache-2.0
#include "cli/ssh_config.hpp"

#include <fmt/format.h>

namespace tl::cli {
namespace {

// What sh takes for one word.
std::string shell_word(const std::string& text) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

// "%" begins a token of ssh's own.
std::string without_tokens(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    plain += c;
    if (c == '%') plain += c;
  }
  return plain;
}

// An argument in double quotes, where a backslash makes the next one plain.
std::string config_word(const std::string& text) {
  std::string word = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') word += '\\';
    word += c;
  }
  return word + "\"";
}

}  // namespace

std::string ssh_config_text(const SshAccess& access) {
  std::string command;
  for (const auto& word : access.proxy_command) {
    if (!command.empty()) command += ' ';
    command += shell_word(word);
  }
  return fmt::format(
      "Host {}\n"
      "  User {}\n"
      "  IdentityFile {}\n"
      "  IdentitiesOnly yes\n"
      "  ProxyCommand {}\n"
      "  StrictHostKeyChecking no\n"
      "  UserKnownHostsFile /dev/null\n"
      "  LogLevel ERROR\n",
      access.host, access.user, config_word(without_tokens(access.identity.string())),
      without_tokens(command));
}

}  // namespace tl::cli
