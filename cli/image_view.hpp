// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/sandbox/info.hpp"

namespace tl::cli {

// An image as every command that reports one gives it.
nlohmann::ordered_json image_json(const ImageInfo& image);

}  // namespace tl::cli
