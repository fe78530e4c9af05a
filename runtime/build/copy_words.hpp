// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/build/dockerfile.hpp"

namespace tl::build {

// Sources and destination of a COPY or ADD as they are written, from either of its forms.
std::vector<std::string> copy_words(const Instruction& instruction, char escape);

// Whether ADD would fetch it: http://…, git@…
bool is_remote(std::string_view source);

}  // namespace tl::build
