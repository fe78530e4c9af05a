// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"

// The command tree as plain data. One source for everything that a command says about itself: parsing
// (parse.hpp), --help (help.hpp), man pages and completions (docs/). Each verb's file makes its own Command.
namespace tl::cli {

class Context;

// What a shell can offer in place of a value.
enum class Completes { kNothing, kSandbox, kSnapshot, kImage, kFolder, kFile };

// Takes one value as typed; an error says what is wrong with it, without naming the flag.
using Setter = std::function<Result<void>(const std::string& value)>;

struct Flag {
  std::vector<std::string>
      names;          // "-c", "--cpus"; the long one that people should use is the first long one
  std::string value;  // "SECS", or "auto|kvm|tcg" where only these words are taken; empty: takes none
  std::string help;   // one sentence without a capital and a full stop
  Setter set;         // called for each occurrence, with "" when no value is taken
  std::string unavailable_until{};  // not empty: refused with this sentence, and not shown in help
  Completes completes = Completes::kNothing;
  enum class Repeats { kOnce, kMany } repeats = Repeats::kOnce;
};

struct Operand {
  std::string name;  // "NAME"
  std::string help;
  Setter set;
  enum class Count { kOptional, kOne, kOneOrMore } count = Count::kOne;
  Completes completes = Completes::kNothing;
};

// The rest of the line belongs to a command of the user's: no flag of ours is looked for in it.
struct Tail {
  std::string name;  // "COMMAND"; empty: the verb has no tail
  std::string help;
  std::function<void(std::vector<std::string> words)> set;
  enum class Needed { kYes, kNo } needed = Needed::kYes;
};

struct Example {
  std::string command;
  std::string effect;  // one sentence
};

struct ExitStatus {
  std::string code;  // "0", "128+n"
  std::string meaning;
};

struct Command {
  std::string name;
  std::vector<std::string> aliases{};
  std::string summary;      // one line: "create a sandbox"
  std::string description;  // paragraphs, separated by an empty line
  std::vector<Flag> flags{};
  std::vector<Operand> operands{};
  Tail tail{};
  std::vector<Example> examples{};
  std::vector<ExitStatus> exit_statuses{};
  // A command has subcommands, a call, or both: then its first operand is a subcommand where it is exactly
  // the name or an alias of one, and the command's own otherwise.
  std::vector<Command> subcommands{};
  std::function<int(Context&)> call{};  // runs after all setters; the exit code
  enum class Shown { kYes, kNo } shown = Shown::kYes;
  // What our own failures exit with: a code a kind, or 125 where the code is the user's command's.
  enum class Failures { kByKind, k125 } failures = Failures::kByKind;
};

}  // namespace tl::cli
