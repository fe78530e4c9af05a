// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "runtime/build/dockerfile.hpp"

// What of Docker's language is carried out, ignored, and refused. The table is in the manual of `tl sbx image
// create`.
namespace tl::build {

// kOutOfRange with what is refused: options, forms, and whole instructions.
Result<void> check_instruction(const Instruction& instruction, char escape);

// Why an instruction changes nothing here, one sentence; nothing for those that do something.
std::optional<std::string> why_ignored(const Instruction& instruction);

}  // namespace tl::build
