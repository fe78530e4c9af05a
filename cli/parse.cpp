// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/did_you_mean.hpp"
#include "cli/exit_code.hpp"

namespace tl::cli {
namespace {

// Lives as long as one parse: what the callbacks found wrong first.
class Parser {
 public:
  Parser(const Resolved& resolved, const std::vector<Flag>& globals);
  std::variant<Parsed, HelpRequested, Refusal> run();

 private:
  void add(const Flag& flag);
  void add(const Operand& operand);
  void give(const Setter& set, const std::string& name, const std::string& value);
  [[nodiscard]] Refusal usage(std::string message, std::string hint = {}) const;
  [[nodiscard]] Refusal unexpected() const;
  [[nodiscard]] Refusal missing() const;

  const Resolved& resolved_;
  const Command& command_;
  std::vector<std::string> flag_names_;
  std::vector<std::pair<const Operand*, CLI::Option*>> operands_;
  std::optional<Refusal> refusal_;
  CLI::App app_;
};

Parser::Parser(const Resolved& resolved, const std::vector<Flag>& globals)
    : resolved_(resolved), command_(resolved.command()) {
  app_.set_help_flag("-h,--help");
  flag_names_ = {"-h", "--help"};
  for (const auto& flag : command_.flags) add(flag);
  for (const auto& flag : globals) add(flag);
  for (const auto& operand : command_.operands) add(operand);
}

void Parser::add(const Flag& flag) {
  std::string names;
  for (const auto& name : flag.names) names += (names.empty() ? "" : ",") + name;
  if (flag.unavailable_until.empty()) {
    flag_names_.insert(flag_names_.end(), flag.names.begin(), flag.names.end());
  }
  const auto give_all = [this, &flag](const std::vector<std::string>& values) {
    const std::string& name = flag.names.back();
    if (!flag.unavailable_until.empty() && !refusal_) {
      refusal_ = usage(fmt::format("{}: {}", name, flag.unavailable_until));
    }
    for (const auto& value : values) give(flag.set, name, value);
    return true;
  };
  if (flag.value.empty()) {
    app_.add_flag_callback(names, [give_all] { static_cast<void>(give_all({std::string()})); });
    return;
  }
  auto* option = app_.add_option(names, CLI::callback_t(give_all));
  option->type_name(flag.value)->allow_extra_args(false);
  if (flag.repeats == Flag::Repeats::kMany) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Parser::add(const Operand& operand) {
  const auto give_all = [this, &operand](const std::vector<std::string>& values) {
    for (const auto& value : values) give(operand.set, operand.name, value);
    return true;
  };
  auto* option = app_.add_option(operand.name, CLI::callback_t(give_all));
  if (operand.count == Operand::Count::kOneOrMore) {
    option->expected(1, CLI::detail::expected_max_vector_size)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(true);
    // CLI11 takes "[a,b]" for two operands then, which nobody who typed it can want.
    for (const auto& word : resolved_.words) {
      if (word.starts_with('[')) refusal_ = usage(fmt::format("unexpected word '{}'", word));
    }
  }
  operands_.emplace_back(&operand, option);
}

void Parser::give(const Setter& set, const std::string& name, const std::string& value) {
  if (refusal_ || !set) return;
  const auto given = set(value);
  if (given) return;
  refusal_ = Refusal{exit_code_of(given.error().code, command_.failures),
                     fmt::format("{}: {}", name, given.error().message), given.error().hint};
}

Refusal Parser::usage(std::string message, std::string hint) const {
  if (hint.empty()) hint = fmt::format("see '{} --help'", resolved_.full_name());
  return Refusal{usage_exit_code(command_.failures), std::move(message), std::move(hint)};
}

Refusal Parser::unexpected() const {
  for (const auto& word : app_.remaining()) {
    if (word.size() < 2 || word.front() != '-' || word == "--") continue;
    const std::string name = word.substr(0, word.find('='));
    const std::string near = nearest(name, flag_names_);
    return usage(fmt::format("unknown flag '{}'", name),
                 near.empty() ? std::string() : fmt::format("did you mean '{}'?", near));
  }
  const auto extra = app_.remaining();
  return usage(fmt::format("unexpected word '{}'", extra.empty() ? "" : extra.front()));
}

Refusal Parser::missing() const {
  for (const auto& [operand, option] : operands_) {
    if (operand->count != Operand::Count::kOptional && option->count() == 0) {
      return usage(fmt::format("{} is missing", operand->name));
    }
  }
  return usage(fmt::format("{} is missing", command_.tail.name));
}

std::variant<Parsed, HelpRequested, Refusal> Parser::run() {
  std::vector<std::string> reversed(resolved_.words.rbegin(), resolved_.words.rend());  // as CLI11 wants it
  try {
    app_.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return HelpRequested{};
  } catch (const CLI::ExtrasError&) {
    return unexpected();
  } catch (const CLI::Error& error) {
    return usage(error.what());
  }
  const bool incomplete = std::any_of(operands_.begin(), operands_.end(), [](const auto& entry) {
    return entry.first->count != Operand::Count::kOptional && entry.second->count() == 0;
  });
  if (refusal_) return *refusal_;
  const Tail& tail = command_.tail;
  const bool tail_missing = !tail.name.empty() && tail.needed == Tail::Needed::kYes && resolved_.tail.empty();
  if (incomplete || tail_missing) return missing();
  if (!tail.name.empty()) tail.set(resolved_.tail);
  return Parsed{};
}

}  // namespace

std::variant<Parsed, HelpRequested, Refusal> parse(const Resolved& resolved,
                                                   const std::vector<Flag>& globals) {
  return Parser(resolved, globals).run();
}

}  // namespace tl::cli
