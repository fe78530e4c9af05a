// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "runtime/sandbox/spec.hpp"

namespace tl::cli {

// "ID:PATH" is in a sandbox, by the rule of scp(1): there is a colon, not the first character, and no slash
// before it. Everything else is here; "./a:b" has a slash. kOutOfRange for an empty word.
Result<FilePlace> parse_file_place(const std::string& word);

}  // namespace tl::cli
