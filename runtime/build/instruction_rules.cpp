// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/instruction_rules.hpp"

#include <map>
#include <set>
#include <string_view>

#include "common/printable.hpp"
#include "runtime/build/copy_words.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 100;

Error refused(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kOutOfRange, std::move(message), std::move(hint)};
}

// --link is about how layers are kept, of which there are none here.
const std::set<std::string_view>& options_of(const std::string& keyword) {
  static const std::map<std::string_view, std::set<std::string_view>> kKnown = {
      {"COPY", {"from", "chown", "chmod", "link"}}, {"ADD", {"chown", "chmod", "link"}}};
  static const std::set<std::string_view> kNone;
  const auto found = kKnown.find(keyword);
  return found == kKnown.end() ? kNone : found->second;
}

Result<void> check_options(const Instruction& instruction) {
  if (instruction.keyword == "HEALTHCHECK") return {};
  for (const Option& option : instruction.options) {
    const std::string name = "--" + make_printable(option.name, kShownBytes);
    if (instruction.keyword == "RUN" && option.name == "mount")
      return refused("RUN --mount is not supported",
                     "use COPY for files, and ARG for values that may be seen");
    if (options_of(instruction.keyword).count(option.name) == 0)
      return refused(instruction.keyword + " " + name + " is not supported");
    if (option.name != "link" && option.value.empty()) return refused(name + " needs a value");
  }
  return {};
}

Result<void> check_copy(const Instruction& instruction, char escape) {
  const auto words = copy_words(instruction, escape);
  if (words.size() < 2) return refused("it is " + instruction.keyword + " SOURCE… DESTINATION");
  if (!instruction.heredocs.empty())
    return refused(instruction.keyword + " <<" + instruction.heredocs.front().name + " is not supported",
                   "write the file beside the Dockerfile, or with RUN cat <<EOF > FILE");
  for (std::size_t i = 0; instruction.keyword == "ADD" && i + 1 < words.size(); ++i) {
    if (is_remote(words[i]))
      return refused("ADD of a URL is not supported",
                     "download it with RUN curl, where its checksum can be looked at");
  }
  return {};
}

}  // namespace

Result<void> check_instruction(const Instruction& instruction, char escape) {
  const std::string& keyword = instruction.keyword;
  if (keyword == "ONBUILD")
    return refused("ONBUILD is not supported",
                   "put the instruction into the Dockerfile that begins FROM this image");
  if (auto checked = check_options(instruction); !checked) return checked;
  if (keyword == "COPY" || keyword == "ADD") return check_copy(instruction, escape);
  if (keyword == "SHELL" && (!instruction.list || instruction.list->empty()))
    return refused("SHELL takes a JSON array, such as [\"/bin/bash\", \"-c\"]");
  if (keyword == "RUN" && instruction.list &&
      (instruction.list->empty() || instruction.list->front().empty()))
    return refused("there is no command to run");
  if (keyword == "RUN" && !instruction.heredocs.empty() &&
      instruction.heredocs.front().body.starts_with("#!"))
    return refused("RUN << with a #! line is not supported", "name the program: RUN python3 <<EOF");
  return {};
}

std::optional<std::string> why_ignored(const Instruction& instruction) {
  static const std::map<std::string_view, std::string_view> kWhy = {
      {"LABEL", "images have no labels"},
      {"MAINTAINER", "images have no labels"},
      {"EXPOSE", "ports are opened by 'tl sbx create --expose' and 'tl sbx tunnel'"},
      {"STOPSIGNAL", "a sandbox is not stopped by a signal"},
      {"HEALTHCHECK", "nothing looks after the health of a sandbox"},
      {"VOLUME", "all of a sandbox is on its disk"}};
  const auto found = kWhy.find(instruction.keyword);
  return found == kWhy.end() ? std::nullopt : std::optional<std::string>(found->second);
}

}  // namespace tl::build
