// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace tl::storage {

// What an image may be called: parts of [a-z0-9._-] joined by single slashes, the first character a letter or
// a digit, then perhaps a colon and a tag of [A-Za-z0-9._-]; at most 128 bytes. Two names are the same
// image's only when they are equal: "python" is not "python:latest". kOutOfRange with the rule.
Result<void> check_image_name(std::string_view name);

// The file that stands for the name in a store, and back. The slash becomes '+', which no name has.
std::string image_name_to_file(std::string_view name);
std::optional<std::string> image_name_from_file(std::string_view file);

}  // namespace tl::storage
