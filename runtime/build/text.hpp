// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// Lines and words of the files that a build reads.
namespace tl::build {

// Without blanks, tabs and carriage returns at its ends.
std::string_view trimmed(std::string_view text);
// The first line, without "\n" or "\r\n", which is taken off the text.
std::string_view take_line(std::string_view& text);
// The first word, which is taken off the text with the white space before it; empty at the end.
std::string_view take_word(std::string_view& text);
// Of ASCII.
std::string lower_case(std::string_view text);
std::string upper_case(std::string_view text);
// [A-Za-z_][A-Za-z0-9_]*
bool is_variable_name(std::string_view text);

}  // namespace tl::build
