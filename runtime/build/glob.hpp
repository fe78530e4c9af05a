// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tl::build {

// Whether one part of a path, without slashes, is meant by a pattern: *, ?, [a-z], [^a-z] and [!a-z], and a
// backslash before a character that is meant as it is. A hidden file is like any other. An open bracket is a
// character. Takes time in the order of both lengths' product.
bool matches(std::string_view pattern, std::string_view name);

// The parts of a path: without empty ones and ".", and ".." takes one away, but not above the root.
std::vector<std::string> path_parts(std::string_view path);
std::string join_path(const std::vector<std::string>& parts);

// Whether a part has a character that means something else than itself.
bool is_pattern(std::string_view part);

}  // namespace tl::build
