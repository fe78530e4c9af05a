// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/stage_state.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/build/glob.hpp"
#include "runtime/build/guest.hpp"
#include "runtime/build/substitution.hpp"
#include "runtime/build/text.hpp"

namespace tl::build {
namespace {

Error wrong(std::string message) {
  return Error{ErrorCode::kOutOfRange, std::move(message), ""};
}

std::string name_of(const std::string& variable) {
  return variable.substr(0, variable.find('='));
}

void set_variable(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  for (std::string& each : env) {
    if (name_of(each) != name) continue;
    each = name + "=" + value;
    return;
  }
  env.push_back(name + "=" + value);
}

// Docker takes any name for ENV that a shell could not, too; an exec needs one without these.
bool is_env_name(std::string_view name) {
  return !name.empty() && name.find_first_of("= \t\"'$") == std::string_view::npos;
}

}  // namespace

StageState::StageState(storage::ImageConfig base) : config_(std::move(base)) {
  // So that ENV PATH=…:$PATH is what people mean, whatever the image is made of.
  if (!look_up("PATH")) set_variable(config_.env, "PATH", kDefaultPath);
}

StageState StageState::as_base() const {
  StageState state(config_);
  state.shell_ = shell_;
  return state;
}

std::optional<std::string> StageState::look_up(std::string_view name) const {
  for (const std::string& each : config_.env) {
    if (each.size() > name.size() && each[name.size()] == '=' && each.starts_with(name))
      return each.substr(name.size() + 1);
  }
  const auto found = args_.find(std::string(name));
  return found == args_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::string> StageState::expanded(const std::string& word, char escape) const {
  return expand(word, escape, [this](std::string_view name) { return look_up(name); });
}

Result<void> StageState::check_size() const {
  std::size_t size = 0;
  for (const std::string& each : config_.env) size += each.size();
  for (const auto& [name, value] : args_) size += name.size() + value.size();
  if (size > kMaxVariables) return wrong(fmt::format("more than {} bytes of variables", kMaxVariables));
  return {};
}

// All values of one instruction see what was before it.
Result<void> StageState::set_env(const Instruction& instruction, char escape) {
  std::vector<std::pair<std::string, std::string>> set;
  const auto words = split_words(instruction.text, escape);
  if (words.front().find('=') == std::string::npos) {  // ENV NAME all the rest
    std::string_view rest = instruction.text;
    const std::string name(take_word(rest));
    if (words.size() < 2 || !is_env_name(name)) return wrong("it is ENV NAME=VALUE…");
    auto value = expanded(std::string(trimmed(rest)), escape);
    if (!value) return value.error();
    set.emplace_back(name, *std::move(value));
  } else {
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) return wrong("it is ENV NAME=VALUE…");
      auto name = expanded(word.substr(0, equals), escape);
      if (!name) return name.error();
      if (!is_env_name(*name)) return wrong("it is ENV NAME=VALUE…");
      auto value = expanded(word.substr(equals + 1), escape);
      if (!value) return value.error();
      set.emplace_back(*std::move(name), *std::move(value));
    }
  }
  for (const auto& [name, value] : set) set_variable(config_.env, name, value);
  return check_size();
}

Result<void> StageState::set_args(const Instruction& instruction, char escape, const Arguments& given,
                                  const Arguments& global) {
  for (const std::string& word : split_words(instruction.text, escape)) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (!is_variable_name(name)) return wrong("it is ARG NAME, or ARG NAME=VALUE");
    if (const auto found = given.find(name); found != given.end()) {
      args_[name] = found->second;
      used_.insert(name);
    } else if (equals != std::string::npos) {
      auto value = expanded(word.substr(equals + 1), escape);
      if (!value) return value.error();
      args_[name] = *std::move(value);
    } else if (const auto above = global.find(name); above != global.end()) {
      args_[name] = above->second;
    }
  }
  return check_size();
}

std::string StageState::absolute(const std::string& path) const {
  const bool is_folder = path.ends_with('/') || path.ends_with("/.") || path == ".";
  std::string whole = path.starts_with('/') ? path : config_.working_dir + "/" + path;
  whole = "/" + join_path(path_parts(whole));
  return is_folder && whole != "/" ? whole + "/" : whole;
}

std::vector<std::string> StageState::command(const Instruction& instruction) const {
  if (instruction.list) return *instruction.list;
  std::vector<std::string> words = shell_;
  std::string text = instruction.text;
  // "RUN <<EOF": the body is the text. With more around it the shell reads the heredoc itself.
  const auto names = split_words(text, '\\');
  const bool only_body = instruction.heredocs.size() == 1 && names.size() == 1;
  if (only_body) {
    text = instruction.heredocs.front().body;
  } else {
    for (const Heredoc& heredoc : instruction.heredocs) text += "\n" + heredoc.body + heredoc.name;
    if (!instruction.heredocs.empty()) text += "\n";
  }
  words.push_back(std::move(text));
  return words;
}

std::vector<std::pair<std::string, std::string>> StageState::environment() const {
  Arguments all = args_;
  for (const std::string& each : config_.env)
    all[name_of(each)] = each.substr(std::min(name_of(each).size() + 1, each.size()));
  return {all.begin(), all.end()};
}

Result<void> StageState::apply(const Instruction& instruction, char escape, const Arguments& given,
                               const Arguments& global) {
  const std::string& keyword = instruction.keyword;
  if (keyword == "ENV") return set_env(instruction, escape);
  if (keyword == "ARG") return set_args(instruction, escape, given, global);
  if (keyword == "WORKDIR" || keyword == "USER") {
    const auto value = expanded(instruction.text, escape);
    if (!value) return value.error();
    if (value->empty()) return wrong(keyword + " is empty");
    if (keyword == "USER") {
      config_.user = *value;
      return {};
    }
    config_.working_dir = absolute(*value);
    if (config_.working_dir.size() > 1 && config_.working_dir.ends_with('/')) config_.working_dir.pop_back();
    return {};
  }
  if (keyword == "SHELL") shell_ = *instruction.list;
  if (keyword == "CMD") {
    config_.cmd = command(instruction);
    cmd_ = Cmd::kOwn;
  }
  if (keyword == "ENTRYPOINT") {
    config_.entrypoint = command(instruction);
    // The arguments of another program are of no use to this one.
    if (cmd_ == Cmd::kInherited) config_.cmd.clear();
  }
  return {};
}

}  // namespace tl::build
