// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "runtime/sandbox/info.hpp"

// How an image is shown.
namespace tl::cli {

// An image as every command that reports one gives it, and with all that is known of it. The names and
// meanings of fields never change.
nlohmann::ordered_json image_json(const ImageInfo& image);
nlohmann::ordered_json image_json(const ImageDetails& details);

// What describe prints: lines of "Label:" and value.
std::string image_details(const ImageDetails& details, std::chrono::system_clock::time_point now);

}  // namespace tl::cli
