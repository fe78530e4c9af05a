// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

// A Dockerfile as a list of instructions. Pure: nothing is opened, nothing is substituted, and what an
// instruction means is for others to know.
namespace tl::build {

// What a file may take at most. One instruction is one argument of a command in the end, of which Linux
// takes 128 KiB.
inline constexpr std::size_t kMaxDockerfile = 1024 * 1024;
inline constexpr std::size_t kMaxInstruction = 120 * 1024;
inline constexpr std::size_t kMaxInstructions = 4096;
inline constexpr std::size_t kMaxHeredocs = 16;  // of one instruction

// "--name=value" in front of an instruction's text; without "=" the value is empty.
struct Option {
  std::string name, value;
};

struct Heredoc {
  std::string name;
  std::string body;  // with the newline of its last line; of "<<-" without leading tabs
};

struct Instruction {
  std::string keyword;   // in capitals; one of those that Docker knows
  std::size_t line = 0;  // of its beginning, from 1
  std::vector<Option> options;
  std::string text;  // what is left, its lines joined, neither empty nor with white space at its ends
  std::optional<std::vector<std::string>> list;  // where the text is a JSON array of strings
  std::vector<Heredoc> heredocs;  // of RUN, COPY and ADD, in the order of their names in the text
};

struct Dockerfile {
  std::string name;    // for people: "Dockerfile"
  char escape = '\\';  // or '`'
  std::vector<Instruction> instructions;

  // "Dockerfile:7: RUN make: …", with as much of the instruction as a line has room for.
  [[nodiscard]] Error at(const Instruction& where, const Error& error) const;
};

// One line for people, such as "RUN make".
std::string shown(const Instruction& instruction);

// kOutOfRange with name and line for whatever is not a Dockerfile.
Result<Dockerfile> parse_dockerfile(std::string name, std::string_view text);

}  // namespace tl::build
