// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_plan.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/build/instruction_rules.hpp"
#include "runtime/build/substitution.hpp"
#include "runtime/build/text.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 200;

Error wrong(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kOutOfRange, std::move(message), std::move(hint)};
}

// [a-z][a-z0-9._-]*, so that it can be told from a number.
bool is_stage_name(std::string_view name) {
  if (name.empty() || name.front() < 'a' || name.front() > 'z') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string_view::npos;
}

std::optional<std::size_t> number_of(std::string_view text) {
  std::size_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

class Planner {
 public:
  Planner(const Dockerfile& file, const Arguments& arguments) : file_(file), arguments_(arguments) {}

  Result<BuildPlan> run(const std::optional<std::string>& target) {
    for (const Instruction& each : file_.instructions) {
      auto added = each.keyword == "FROM" ? begin_stage(each) : add(each);
      if (!added) return file_.at(each, added.error());
    }
    if (plan_.stages.empty())
      return wrong(file_.name + " has no FROM", "the first instruction is FROM IMAGE");
    std::size_t last = plan_.stages.size() - 1;
    if (target) {
      const auto found = find_stage(*target, plan_.stages.size());
      if (!found)
        return wrong(fmt::format("{} has no stage {}", file_.name, make_printable(*target, kShownBytes)));
      last = *found;
    }
    choose(last);
    if (auto checked = check_chosen(); !checked) return checked.error();
    return std::move(plan_);
  }

 private:
  // Of those before `below`; the last of a name.
  [[nodiscard]] std::optional<std::size_t> find_stage(const std::string& name, std::size_t below) const {
    const std::string lower = lower_case(name);
    for (std::size_t i = below; i-- > 0;) {
      if (plan_.stages[i].name == lower && !lower.empty()) return i;
    }
    const auto number = number_of(name);
    return number && *number < below ? number : std::nullopt;
  }

  Result<void> begin_stage(const Instruction& from) {
    for (const Option& option : from.options) {
      if (option.name != "platform") return wrong("--" + option.name + " is not an option of FROM");
      if (option.value != "linux/amd64" && option.value != "linux/x86_64")
        return wrong("a sandbox is linux/amd64 and nothing else", "leave --platform out");
    }
    const auto words = split_words(from.text, file_.escape);
    const bool named = words.size() == 3 && lower_case(words[1]) == "as";
    if (words.size() != 1 && !named) return wrong("it is FROM IMAGE, or FROM IMAGE AS NAME");
    const auto image =
        expand(words.front(), file_.escape, [this](std::string_view name) { return global(name); });
    if (!image) return image.error();
    if (image->empty())
      return wrong("the image's name is empty", "give its ARG a default, or use --build-arg");
    Stage stage;
    stage.from = &from;
    if (named) stage.name = lower_case(words[2]);
    if (named && !is_stage_name(stage.name))
      return wrong("a stage's name begins with a letter and has letters, digits and . _ -");
    // A number is no base, as in Docker: an image may be called so.
    if (const auto base = find_stage(*image, plan_.stages.size()); base && !number_of(*image)) {
      stage.base = base;
      stage.needs.insert(*base);
    } else {
      stage.image = *image;
    }
    plan_.stages.push_back(std::move(stage));
    return {};
  }

  [[nodiscard]] std::optional<std::string> global(std::string_view name) const {
    const auto found = plan_.global.find(std::string(name));
    return found == plan_.global.end() ? std::nullopt : std::optional(found->second);
  }

  Result<void> add(const Instruction& each) {
    if (plan_.stages.empty()) return each.keyword == "ARG" ? add_global(each) : wrong("FROM comes first");
    Stage& stage = plan_.stages.back();
    stage.instructions.push_back(&each);
    for (const Option& option : each.options) {
      if (option.name != "from" || each.keyword != "COPY") continue;
      CopySource source;
      source.stage = find_stage(option.value, plan_.stages.size() - 1);
      source.image = option.value;
      if (option.value.empty() || option.value.find('$') != std::string::npos)
        return wrong("--from takes the name or number of a stage before this one, or an image's name");
      if (!source.stage && (number_of(option.value) || stage.name == lower_case(option.value)))
        return wrong(fmt::format("there is no stage {} before this one", option.value));
      if (source.stage) stage.needs.insert(*source.stage);
      stage.sources[&each] = std::move(source);
    }
    return {};
  }

  Result<void> add_global(const Instruction& each) {
    for (const std::string& word : split_words(each.text, file_.escape)) {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      if (!is_variable_name(name)) return wrong("it is ARG NAME, or ARG NAME=VALUE");
      const auto given = arguments_.find(name);
      if (given != arguments_.end()) {
        plan_.global[name] = given->second;
      } else if (equals != std::string::npos) {
        auto value = expand(std::string_view(word).substr(equals + 1), file_.escape,
                            [this](std::string_view other) { return global(other); });
        if (!value) return value.error();
        plan_.global[name] = *std::move(value);
      }
    }
    return {};
  }

  // A stage is behind all that it needs, so one way back through the file finds them.
  void choose(std::size_t target) {
    std::set<std::size_t> wanted = {target};
    for (std::size_t i = target + 1; i-- > 0;) {
      if (wanted.count(i) == 0) continue;
      wanted.insert(plan_.stages[i].needs.begin(), plan_.stages[i].needs.end());
    }
    plan_.order.assign(wanted.begin(), wanted.end());
  }

  Result<void> check_chosen() {
    for (const std::size_t index : plan_.order) {
      const Stage& stage = plan_.stages[index];
      if (stage.image == "scratch") {
        return file_.at(*stage.from,
                        wrong("a stage cannot begin with nothing: there would be no shell to run its "
                              "instructions",
                              "begin with a small image, or import a file system with 'tl sbx image "
                              "import'"));
      }
      for (const Instruction* each : stage.instructions) {
        if (auto refused = check_instruction(*each, file_.escape); !refused)
          return file_.at(*each, refused.error());
        if (const auto ignored = why_ignored(*each))
          plan_.warnings.push_back(
              fmt::format("{}:{}: {} is ignored: {}", file_.name, each->line, each->keyword, *ignored));
      }
    }
    return {};
  }

  const Dockerfile& file_;
  const Arguments& arguments_;
  BuildPlan plan_;
};

}  // namespace

bool Stage::copies_from(std::size_t stage) const {
  return std::any_of(sources.begin(), sources.end(),
                     [stage](const auto& each) { return each.second.stage == stage; });
}

std::optional<std::size_t> BuildPlan::last_use(std::size_t stage) const {
  for (auto user = order.rbegin(); user != order.rend(); ++user) {
    if (stages[*user].needs.count(stage) != 0) return *user;
  }
  return std::nullopt;
}

std::size_t BuildPlan::steps() const {
  std::size_t steps = order.size();
  for (const std::size_t index : order) steps += stages[index].instructions.size();
  return steps;
}

Result<BuildPlan> plan_build(const Dockerfile& file, const Arguments& arguments,
                             const std::optional<std::string>& target) {
  return Planner(file, arguments).run(target);
}

}  // namespace tl::build
