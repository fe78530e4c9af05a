// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/substitution.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/printable.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 100;

Error wrong(std::string message) {
  return Error{ErrorCode::kOutOfRange, std::move(message), ""};
}

class Expander {
 public:
  Expander(std::string_view text, char escape, const Lookup& lookup)
      : text_(text), escape_(escape), lookup_(lookup) {}

  Result<std::string> run() { return read_to('\0', 0); }

 private:
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  char take() { return text_[at_++]; }

  // Up to `stop`, which is taken too; '\0' is the end of the text.
  Result<std::string> read_to(char stop, std::size_t depth) {
    if (depth > kMaxDepth) return wrong(fmt::format("variables in variables, more than {} deep", kMaxDepth));
    std::string out;
    while (!at_end()) {
      const char c = take();
      if (stop != '\0' && c == stop) return out;
      auto added = add(c, out, depth);
      if (!added) return added.error();
      if (out.size() > kMaxExpanded) return wrong(fmt::format("a word of more than {} bytes", kMaxExpanded));
    }
    if (stop != '\0') return wrong("${ without }");
    return out;
  }

  Result<void> add(char c, std::string& out, std::size_t depth) {
    if (c == '\'') return add_single(out);
    if (c == '"') return add_double(out, depth);
    if (c == '$') return add_variable(out, depth);
    if (c == escape_) {
      out += at_end() ? c : take();  // one at the very end stands for itself
      return {};
    }
    out += c;
    return {};
  }

  Result<void> add_single(std::string& out) {
    const std::size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) return wrong("' without another");
    out += text_.substr(at_, end - at_);
    at_ = end + 1;
    return {};
  }

  Result<void> add_double(std::string& out, std::size_t depth) {
    while (!at_end()) {
      const char c = take();
      if (c == '"') return {};
      if (c == '$') {
        if (auto added = add_variable(out, depth); !added) return added;
      } else if (c == escape_ && !at_end() && is_special(text_[at_])) {
        out += take();
      } else {
        out += c;
      }
      if (out.size() > kMaxExpanded) return wrong(fmt::format("a word of more than {} bytes", kMaxExpanded));
    }
    return wrong("\" without another");
  }

  [[nodiscard]] bool is_special(char c) const { return c == '"' || c == '$' || c == escape_; }

  std::string_view take_name() {
    constexpr std::string_view kDigits = "0123456789";
    constexpr std::string_view kOfNames = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (at_end() || kDigits.find(text_[at_]) != std::string_view::npos) return {};
    const std::size_t end = std::min(text_.find_first_not_of(kOfNames, at_), text_.size());
    const std::string_view name = text_.substr(at_, end - at_);
    at_ = end;
    return name;
  }

  // Behind the '$'.
  Result<void> add_variable(std::string& out, std::size_t depth) {
    if (!at_end() && text_[at_] == '{') {
      ++at_;
      return add_braced(out, depth);
    }
    const std::string_view name = take_name();
    if (name.empty()) {
      out += '$';
      return {};
    }
    out += lookup_(name).value_or("");
    return {};
  }

  Result<void> add_braced(std::string& out, std::size_t depth) {
    const std::string name(take_name());
    if (name.empty()) return wrong("${ without the name of a variable");
    if (at_end()) return wrong("${ without }");
    auto value = lookup_(name);
    char operation = take();
    if (operation == '}') {
      out += value.value_or("");
      return {};
    }
    if (operation == ':') {  // then an empty one counts as not set
      if (value && value->empty()) value.reset();
      if (at_end()) return wrong("${ without }");
      operation = take();
    }
    if (operation != '-' && operation != '+' && operation != '?')
      return wrong(fmt::format("${{{}…}}: only :- :+ :? - + ? may follow the name", name));
    const auto word = read_to('}', depth + 1);
    if (!word) return word.error();
    if (operation == '?' && !value)
      return wrong(
          fmt::format("{}: {}", name, word->empty() ? "not set" : make_printable(*word, kShownBytes)));
    if (operation == '+') {
      out += value ? *word : "";
    } else {
      out += value.value_or(*word);
    }
    return {};
  }

  std::string_view text_;
  char escape_;
  const Lookup& lookup_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::string> split_words(std::string_view text, char escape) {
  std::vector<std::string> words;
  std::string word;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\0' && (c == ' ' || c == '\t' || c == '\r')) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
      continue;
    }
    word += c;
    if (c == escape && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
    } else if (quote == '\0' && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = '\0';
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

Result<std::string> expand(std::string_view text, char escape, const Lookup& lookup) {
  return Expander(text, escape, lookup).run();
}

}  // namespace tl::build
