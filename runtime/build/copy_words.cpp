// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/copy_words.hpp"

#include "runtime/build/substitution.hpp"

namespace tl::build {

std::vector<std::string> copy_words(const Instruction& instruction, char escape) {
  if (instruction.list) return *instruction.list;
  return split_words(instruction.text, escape);
}

bool is_remote(std::string_view source) {
  return source.find("://") != std::string_view::npos || source.starts_with("git@");
}

}  // namespace tl::build
