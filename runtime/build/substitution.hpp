// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

// What a Dockerfile's words mean: quotes, escapes and variables, by Docker's rules and not a shell's.
namespace tl::build {

// Of one word when everything is put in; variables that double themselves come to an end here.
inline constexpr std::size_t kMaxExpanded = 64 * 1024;
// ${A:-${B:-${C}}} is three deep.
inline constexpr std::size_t kMaxDepth = 16;

// A variable's value; nothing when it is not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

// The words between white space that is neither in quotes nor escaped, as they are written. An open quote
// ends with the text.
std::vector<std::string> split_words(std::string_view text, char escape);

// Without quotes and escapes, and with the values of $X, ${X}, ${X:-word}, ${X-word}, ${X:+word}, ${X+word},
// ${X:?word} and ${X?word}; one that is not set is empty. Nothing is put in between single quotes.
// kOutOfRange for an open quote or brace, another form of ${…}, and what exceeds the bounds.
Result<std::string> expand(std::string_view text, char escape, const Lookup& lookup);

}  // namespace tl::build
