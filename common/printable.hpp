// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tl {

// `text`, which a guest may have written, as one line that is safe on a terminal and in a log: control
// characters, what turns the direction of writing, and bytes that are not UTF-8 become '?', tabs a space; at
// most `limit` bytes, whole characters.
std::string make_printable(std::string_view text, std::size_t limit);

}  // namespace tl
