// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/dockerfile.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/printable.hpp"
#include "runtime/build/heredocs.hpp"
#include "runtime/build/text.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 120;

constexpr std::array<std::string_view, 18> kKeywords = {
    "FROM", "RUN",   "COPY",  "ADD",    "ENV",        "ARG",        "WORKDIR", "USER",    "ENTRYPOINT",
    "CMD",  "SHELL", "LABEL", "EXPOSE", "MAINTAINER", "STOPSIGNAL", "VOLUME",  "ONBUILD", "HEALTHCHECK"};
constexpr std::array<std::string_view, 5> kWithOptions = {"FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"};
constexpr std::array<std::string_view, 7> kWithList = {"RUN",  "CMD", "ENTRYPOINT", "SHELL",
                                                       "COPY", "ADD", "VOLUME"};
constexpr std::array<std::string_view, 3> kWithHeredocs = {"RUN", "COPY", "ADD"};

template <std::size_t kCount>
bool is_one_of(const std::string& keyword, const std::array<std::string_view, kCount>& all) {
  return std::find(all.begin(), all.end(), keyword) != all.end();
}

class Parser {
 public:
  Parser(std::string name, std::string_view text) : text_(text) { file_.name = std::move(name); }

  Result<Dockerfile> run() {
    if (text_.size() > kMaxDockerfile)
      return Error{ErrorCode::kOutOfRange,
                   fmt::format("{} has more than {} bytes", file_.name, kMaxDockerfile), ""};
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    if (auto done = read_directives(); !done) return done.error();
    while (!text_.empty()) {
      const std::size_t begins = line_ + 1;
      const std::string_view line = trimmed(next_line());
      if (line.empty() || line.front() == '#') continue;
      if (auto added = add(line, begins); !added) return added.error();
    }
    if (file_.instructions.empty())
      return Error{ErrorCode::kOutOfRange, file_.name + " has no instructions",
                   "the first one is FROM IMAGE"};
    return std::move(file_);
  }

 private:
  // Without its end.
  std::string_view next_line() {
    ++line_;
    return take_line(text_);
  }

  [[nodiscard]] Error wrong(std::size_t line, std::string_view what, std::string_view hint = {}) const {
    return Error{ErrorCode::kOutOfRange, fmt::format("{}:{}: {}", file_.name, line, what), std::string(hint)};
  }

  // "# escape=`" and the like, which are nothing but comments behind anything else.
  Result<void> read_directives() {
    for (;;) {
      std::string_view rest = text_;
      std::string_view line = trimmed(take_line(rest));
      if (line.empty() || line.front() != '#') return {};
      line.remove_prefix(1);
      const std::size_t equals = line.find('=');
      if (equals == std::string_view::npos) return {};
      const std::string key = lower_case(trimmed(line.substr(0, equals)));
      const std::string_view value = trimmed(line.substr(equals + 1));
      if (key != "escape" && key != "syntax" && key != "check") return {};
      next_line();
      text_ = rest;
      if (key != "escape") continue;
      if (value != "\\" && value != "`") return wrong(line_, "escape is a backslash or a backtick");
      file_.escape = value.front();
    }
  }

  // Whether the instruction goes on in the next line; the line is then cut. Two escapes are none.
  [[nodiscard]] bool goes_on(std::string_view& line) const {
    const std::string_view bare = line.substr(0, line.find_last_not_of(" \t") + 1);
    if (bare.empty() || bare.back() != file_.escape) return false;
    if (bare.size() > 1 && bare[bare.size() - 2] == file_.escape) return false;
    line = bare.substr(0, bare.size() - 1);
    return true;
  }

  Result<std::string> join(std::string_view line) {
    std::string joined;
    const std::size_t begins = line_;
    for (bool more = true; more;) {
      more = goes_on(line);
      joined += line;
      if (joined.size() > kMaxInstruction)
        return wrong(begins, fmt::format("an instruction of more than {} bytes", kMaxInstruction));
      // Comments and empty lines in between are not there.
      while (more) {
        if (text_.empty()) return joined;
        line = next_line();
        const std::string_view bare = trimmed(line);
        if (!bare.empty() && bare.front() != '#') break;
      }
    }
    return joined;
  }

  Result<void> add(std::string_view line, std::size_t begins) {
    auto joined = join(line);
    if (!joined) return joined.error();
    std::string_view rest = *joined;
    Instruction instruction;
    instruction.line = begins;
    const std::string_view word = take_word(rest);
    instruction.keyword = upper_case(word);
    const std::string name = make_printable(word, kShownBytes);
    if (joined->find('\0') != std::string::npos) return wrong(begins, "a zero byte");
    if (!is_one_of(instruction.keyword, kKeywords)) return wrong(begins, name + " is not an instruction");
    if (file_.instructions.size() == kMaxInstructions)
      return wrong(begins, fmt::format("more than {} instructions", kMaxInstructions));
    if (is_one_of(instruction.keyword, kWithOptions)) take_options(rest, instruction.options);
    instruction.text = trimmed(rest);
    if (instruction.text.empty()) return wrong(begins, instruction.keyword + " says nothing");
    if (is_one_of(instruction.keyword, kWithHeredocs)) {
      if (auto read = read_heredocs(instruction); !read) return read;
    }
    if (is_one_of(instruction.keyword, kWithList)) instruction.list = parse_list(instruction.text);
    file_.instructions.push_back(std::move(instruction));
    return {};
  }

  static void take_options(std::string_view& rest, std::vector<Option>& options) {
    while (trimmed(rest).starts_with("--")) {
      std::string_view word = take_word(rest);
      word.remove_prefix(2);
      if (word.empty()) return;
      const std::size_t equals = word.find('=');
      Option option{std::string(word.substr(0, equals)), {}};
      if (equals != std::string_view::npos) option.value = word.substr(equals + 1);
      options.push_back(std::move(option));
    }
  }

  // As Docker does it: what is not such an array is plain text.
  static std::optional<std::vector<std::string>> parse_list(const std::string& text) {
    if (text.front() != '[') return std::nullopt;
    // One level: nothing deeper is even looked at.
    const auto json = nlohmann::json::parse(
        text, [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) { return depth <= 1; }, false);
    if (!json.is_array()) return std::nullopt;
    std::vector<std::string> list;
    for (const auto& each : json) {
      if (!each.is_string()) return std::nullopt;
      list.push_back(each.get<std::string>());
      if (list.back().find('\0') != std::string::npos) return std::nullopt;
    }
    return list;
  }

  Result<void> read_heredocs(Instruction& instruction) {
    const auto names = find_heredocs(instruction.text, file_.escape);
    if (names.size() > kMaxHeredocs)
      return wrong(instruction.line, fmt::format("more than {} heredocs", kMaxHeredocs));
    for (const HeredocName& each : names) {
      Heredoc heredoc{each.name, {}};
      for (;;) {
        if (text_.empty())
          return wrong(instruction.line,
                       fmt::format("{}: there is no end of <<{}", instruction.keyword, each.name));
        std::string_view line = next_line();
        if (each.tabs == HeredocName::Tabs::kStripped)
          line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        if (line == each.name) break;
        heredoc.body.append(line).push_back('\n');
        if (heredoc.body.size() + instruction.text.size() > kMaxInstruction)
          return wrong(instruction.line, fmt::format("a heredoc of more than {} bytes", kMaxInstruction));
      }
      if (heredoc.body.find('\0') != std::string::npos) return wrong(instruction.line, "a zero byte");
      instruction.heredocs.push_back(std::move(heredoc));
    }
    return {};
  }

  std::string_view text_;  // what has not been read
  std::size_t line_ = 0;   // the last one that was
  Dockerfile file_;
};

}  // namespace

std::string shown(const Instruction& instruction) {
  std::string text = instruction.keyword;
  for (const Option& option : instruction.options)
    text += " --" + option.name + (option.value.empty() ? "" : "=" + option.value);
  return make_printable(text + " " + instruction.text, kShownBytes);
}

Error Dockerfile::at(const Instruction& where, const Error& error) const {
  return error.within(fmt::format("{}:{}: {}", name, where.line, shown(where)));
}

Result<Dockerfile> parse_dockerfile(std::string name, std::string_view text) {
  return Parser(std::move(name), text).run();
}

}  // namespace tl::build
